-- What happened? Every event once, however often it was sent, with the days and the tool that were asked for.
create temp table events as
with
arrivals as (
    select
        *,
        row_number() over (partition by message_id order by received_at) as arrival
    from records
    where message_id is not null and type = 'track'
)
select
    message_id,
    anonymous_id,
    event,
    received_at,
    coalesce(happened_at, received_at) as happened_at,
    coalesce(tool, '<unknown>') as tool,
    coalesce(version, '<unknown>') as version,
    ephemeral,
    command,
    outcome,
    duration_ms
from arrivals
where
    arrival = 1
    and ($tool is null or tool = $tool)
    and ($since is null or cast(coalesce(happened_at, received_at) as date) >= cast($since as date))
    and ($until is null or cast(coalesce(happened_at, received_at) as date) <= cast($until as date))
