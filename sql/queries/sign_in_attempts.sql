-- Failed attempts to sign in, by subject: an account's name, as a hash, or an address. Times are the database's.

-- name: forget
-- Deletes what is too old to count.
DELETE FROM sign_in_attempts WHERE failed_at < now() - make_interval(secs => %(forget_seconds)s)

-- name: add
-- Makes sure that every subject has a row, to be locked.
INSERT INTO sign_in_attempts (subject, failures, failed_at, wait_until)
SELECT subject, 0, clock_timestamp(), '-infinity' FROM unnest(%(subjects)s::text[]) AS given (subject) ORDER BY subject
ON CONFLICT (subject) DO NOTHING

-- name: locked
-- Failures of each subject, and for how many more seconds it waits; both stay so until the transaction ends.
SELECT subject, failures, greatest(0.0, extract(epoch FROM wait_until - clock_timestamp()))::float8
FROM sign_in_attempts WHERE subject = ANY (%(subjects)s::text[]) ORDER BY subject FOR UPDATE

-- name: charge
-- Counts an attempt of a subject as failed, and has the next one wait.
UPDATE sign_in_attempts
SET failures = %(failures)s, failed_at = clock_timestamp(),
    wait_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE subject = %(subject)s

-- name: forgive
-- Takes the failures of an account back, and one of its address: an attempt has succeeded.
UPDATE sign_in_attempts
SET failures = CASE WHEN subject = %(account)s THEN 0 ELSE greatest(0, failures - 1) END, wait_until = '-infinity'
WHERE subject IN (%(account)s, %(address)s)
