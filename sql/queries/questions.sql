-- Questions that suspended tasks ask people, and the answers. Who answers, delegates or closes one holds the lock on its
-- task's row, as does the tick that suspends the task; a question is open only while its task waits for it.

-- name: ask
-- Stores the questions of tasks that were just suspended; it is open until the task is due. Open ones that a task has
-- from before are withdrawn. The submitter is that of the task whose handlers submitted it, if any did.
WITH RECURSIVE asked AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(tasks)s::uuid[], %(keys)s::text[], %(texts)s::text[], %(contexts)s::text[],
        %(schemas)s::json[], %(of)s::json[], %(needs)s::smallint[], %(not_by_submitter)s::boolean[],
        %(refused)s::json[])
        AS a(id, task_id, key, question, context_text, schema, of, needs, not_by_submitter, refused)
), above AS (
    SELECT t.id AS task_id, t.created_by, 1 AS depth FROM tasks t WHERE t.id = ANY(ARRAY(SELECT task_id FROM asked))
    UNION ALL
    SELECT a.task_id, t.created_by, a.depth + 1
    FROM above a JOIN tasks t ON a.created_by ~ '^task:[0-9a-f-]{36}$' AND t.id = substr(a.created_by, 6)::uuid
    WHERE a.depth < 100
), submitter AS (
    SELECT DISTINCT ON (task_id) task_id, created_by FROM above ORDER BY task_id, depth DESC
), stale AS (
    UPDATE questions SET state = 'withdrawn', ended_at = now()
    WHERE task_id = ANY(ARRAY(SELECT task_id FROM asked)) AND state = 'open'
    RETURNING 1
), added AS (
    INSERT INTO questions (id, task_id, key, question, context_text, schema, of, needs, not_by_submitter, refused,
        submitted_by, deadline)
    SELECT a.id, a.task_id, a.key, a.question, a.context_text, a.schema,
        ARRAY(SELECT json_array_elements_text(a.of)), a.needs, a.not_by_submitter, a.refused,
        s.created_by, t.run_at
    FROM asked a JOIN tasks t ON t.id = a.task_id JOIN submitter s ON s.task_id = a.task_id
    WHERE (SELECT count(*) FROM stale) >= 0 -- first
    RETURNING id, task_id, key, question, of, needs, deadline, refused
)
INSERT INTO task_events (task_id, event, attempt, actor, detail)
SELECT a.task_id, 'question_asked', t.attempt, 'dispatcher', jsonb_strip_nulls(jsonb_build_object('question', a.id,
    'name', a.key, 'text', a.question, 'of', a.of, 'needs', a.needs, 'until', a.deadline, 'refused', a.refused))
FROM added a JOIN tasks t ON t.id = a.task_id

-- name: task_of
-- The task of a question.
SELECT task_id FROM questions WHERE id = %(id)s::uuid

-- name: questions
-- Questions with their answers: one, or those of a task, or open ones, those that asked first first; or ones that have
-- ended, the last ended first, before a place in that order. `queues` and `types` narrow them. One that is asked again
-- because an answer was not accepted has the data of that one: what was approved last before, by the same key.
SELECT q.id, q.task_id, q.key, q.question, q.context_text, q.schema, q.of, q.needs, q.not_by_submitter, q.submitted_by,
    q.delegated_to, q.refused, q.state, q.asked_at, q.deadline, q.ended_at, t.queue, t.type, t.title,
    (SELECT json_agg(json_build_array(a.answered_by, a.actor, a.decision, a.data, a.reason, a.at) ORDER BY a.at)
        FROM question_answers a WHERE a.question_id = q.id),
    CASE WHEN q.refused IS NOT NULL THEN (
        SELECT a.data FROM questions p JOIN question_answers a ON a.question_id = p.id
        WHERE p.task_id = q.task_id AND p.key = q.key AND p.state = 'answered' AND p.ended_at < q.asked_at
        ORDER BY p.ended_at DESC, a.at LIMIT 1
    ) END
FROM questions q JOIN tasks t ON t.id = q.task_id
WHERE (%(id)s::uuid IS NULL OR q.id = %(id)s::uuid)
    AND (%(task)s::uuid IS NULL OR q.task_id = %(task)s::uuid)
    AND (%(open)s::boolean IS NULL OR (q.state = 'open') = %(open)s)
    AND (%(state)s::text IS NULL OR q.state = %(state)s)
    AND (%(since)s::timestamptz IS NULL OR q.ended_at >= %(since)s)
    AND (%(before)s::uuid IS NULL
        OR (q.ended_at, q.id) < (SELECT b.ended_at, b.id FROM questions b WHERE b.id = %(before)s::uuid))
    AND (%(queues)s::text[] IS NULL OR t.queue = ANY(%(queues)s::text[]))
    AND (%(types)s::text[] IS NULL OR t.type = ANY(%(types)s::text[]))
ORDER BY q.ended_at DESC NULLS FIRST, CASE WHEN q.ended_at IS NULL THEN q.asked_at END, q.id DESC
LIMIT %(limit)s

-- name: add_answer
-- Stores what somebody said, with its audit row.
WITH added AS (
    INSERT INTO question_answers (question_id, answered_by, actor, decision, data, reason)
    VALUES (%(id)s::uuid, %(person)s, %(actor)s, %(decision)s, %(data)s::json, %(reason)s)
    RETURNING question_id, decision, reason
)
INSERT INTO task_events (task_id, event, attempt, actor, detail)
SELECT q.task_id, CASE a.decision WHEN 'approved' THEN 'question_answered' ELSE 'question_declined' END, t.attempt,
    %(actor)s, jsonb_strip_nulls(jsonb_build_object('question', q.id, 'name', q.key, 'text', q.question,
        'reason', nullif(a.reason, ''), 'done', %(count)s::int, 'needs', q.needs))
FROM added a JOIN questions q ON q.id = a.question_id JOIN tasks t ON t.id = q.task_id

-- name: end_question
-- Ends a question that is open.
UPDATE questions SET state = %(state)s, ended_at = now() WHERE id = %(id)s::uuid AND state = 'open'

-- name: delegate
-- Lets one more person answer, with the audit row; nothing if they may already.
WITH changed AS (
    UPDATE questions SET delegated_to = delegated_to || %(person)s::text
    WHERE id = %(id)s::uuid AND state = 'open' AND NOT %(person)s = ANY(delegated_to)
    RETURNING id, task_id, key, question
)
INSERT INTO task_events (task_id, event, attempt, actor, detail)
SELECT c.task_id, 'question_delegated', t.attempt, %(actor)s, jsonb_strip_nulls(jsonb_build_object('question', c.id,
    'name', c.key, 'text', c.question, 'to', %(person)s::text, 'reason', nullif(%(reason)s, '')))
FROM changed c JOIN tasks t ON t.id = c.task_id
RETURNING 1

-- name: oldest_open
-- For each queue the open question that was asked first, with the seconds since, and how many there are.
SELECT DISTINCT ON (t.queue) t.queue, q.question, date_part('epoch', now() - q.asked_at),
    count(*) OVER (PARTITION BY t.queue)
FROM questions q JOIN tasks t ON t.id = q.task_id
WHERE q.state = 'open'
ORDER BY t.queue, q.asked_at

-- name: now
-- The database's time.
SELECT clock_timestamp()
