"""Carries messages between agents for those that can't reach Redis."""

from __future__ import annotations

from fastapi import APIRouter

from taskyard.api.authentication import AgentDep
from taskyard.api.document import ONLY_AGENTS
from taskyard.api.models.agent_protocol import (
    Acknowledged,
    GivenBack,
    MessageId,
    MessageIds,
    NewMessage,
    ReceivedMessage,
    ReceivedMessages,
    ReceiveMessages,
)
from taskyard.api.reading import ServicesDep
from taskyard.api.routes.agent_protocol import DeskDep
from taskyard.core.redis.message import Message

router = APIRouter(prefix="/agent/messages", tags=["agent"])


@router.post("", status_code=201, summary="Send a message", openapi_extra=ONLY_AGENTS)
async def send(agent: AgentDep, services: ServicesDep, desk: DeskDep, given: NewMessage) -> MessageId:
    """Puts a message into the mailbox of another agent. After a lost answer it may have been sent."""
    box = services.broker.mailbox(agent.name)
    return MessageId(id=await desk.run(lambda: box.send(agent.name, given.to, given.body)))


@router.post("/receive", summary="Receive messages", openapi_extra=ONLY_AGENTS)
async def receive(agent: AgentDep, services: ServicesDep, desk: DeskDep, given: ReceiveMessages) -> ReceivedMessages:
    """Takes messages of the agent's own mailbox; does not wait. What is not acknowledged in a minute comes again."""
    box = services.broker.mailbox(agent.name)

    def take() -> list[Message]:
        return [] if box.is_empty() else box.receive(count=given.count, held=set(given.held))

    return ReceivedMessages(messages=[ReceivedMessage.model_validate(one) for one in await desk.run(take)])


@router.post("/ack", summary="Acknowledge messages", openapi_extra=ONLY_AGENTS)
async def acknowledge(agent: AgentDep, services: ServicesDep, desk: DeskDep, given: MessageIds) -> Acknowledged:
    """Deletes messages that were processed; returns how many existed."""
    box = services.broker.mailbox(agent.name)
    return Acknowledged(count=await desk.run(lambda: box.ack_all(given.ids)))


@router.post("/give-back", summary="Give messages back", openapi_extra=ONLY_AGENTS)
async def give_back(agent: AgentDep, services: ServicesDep, desk: DeskDep, given: GivenBack) -> Acknowledged:
    """Lets messages be delivered again at once; returns how many were asked for."""
    box = services.broker.mailbox(agent.name)
    await desk.run(lambda: box.give_back(given.messages))
    return Acknowledged(count=len(given.messages))
