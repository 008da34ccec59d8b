-- What PostgreSQL does in another way than ``bookkeeping.sql`` says. Each statement is opened by a line `-- name: what it is for`.

-- lock_build: see where the consumer is, if the fence is there already; every change of a row leaves an old one behind
SELECT state, position, changed, epoch, paused FROM everfold_consumers
WHERE name = :name AND build = :build AND token = :token
FOR NO KEY UPDATE;
