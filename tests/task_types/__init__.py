"""Task types for tests of the runners; children load this package by its name."""

from tests.task_types import asking as asking
from tests.task_types import ends as ends
from tests.task_types import loops as loops
from tests.task_types import noting as noting
from tests.task_types import outputs as outputs
from tests.task_types import printing as printing
from tests.task_types import running as running
from tests.task_types import suspending as suspending
