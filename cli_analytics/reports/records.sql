-- What lies in the archive? Every record of the files, as it is; a line that can't be read has no message_id.
--
-- Columns are named because inferring them costs more than reading. Times are naive and in UTC: half the work of times
-- with a zone. They go through timestamptz because DuckDB 2 drops the offset in a direct cast of text to timestamp.
create temp table records as
with
lines as (
    select *
    from read_json(
        $files,
        format = 'newline_delimited',
        ignore_errors = true,
        filename = true,
        columns = {
            'anonymousId': 'varchar',
            'context': 'struct(app struct(name varchar, version varchar), ephemeral varchar)',
            'event': 'varchar',
            'messageId': 'varchar',
            'properties': 'struct(command varchar, outcome varchar, duration_ms varchar)',
            'receivedAt': 'varchar',
            'timestamp': 'varchar',
            'type': 'varchar'
        }
    )
)
select
    filename as file,
    messageId as message_id,
    anonymousId as anonymous_id,
    type,
    event,
    try_cast(receivedAt as timestamptz) at time zone 'UTC' as received_at,
    try_cast("timestamp" as timestamptz) at time zone 'UTC' as happened_at,
    context.app.name as tool,
    context.app.version as version,
    coalesce(context.ephemeral = 'true', false) as ephemeral,
    properties.command as command,
    properties.outcome as outcome,
    try_cast(properties.duration_ms as bigint) as duration_ms
from lines
