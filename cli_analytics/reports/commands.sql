-- Which commands are run, in which version, how often, by how many installations and in how many starts of containers,
-- how often do they fail, and how long do they take?
--
-- An id that was made in a container and is gone with it counts in container_starts, any other in installations.
-- error_rate is the share of runs, from 0 to 1, that ended in an error or a usage error; a run that the user aborted or
-- whose pipe was closed is none. median_ms and p95_ms are exact, by nearest rank: the shortest duration that at least
-- 50 % or 95 % of the runs do not exceed.
with
runs as (
    select
        tool,
        version,
        coalesce(command, '<other>') as command,
        anonymous_id,
        ephemeral,
        outcome,
        duration_ms
    from events
    where event = 'command_run'
),
ranked as (
    select
        *,
        row_number() over (partition by tool, version, command order by duration_ms nulls last) as place,
        count(duration_ms) over (partition by tool, version, command) as timed
    from runs
)
select
    tool,
    version,
    command,
    count(*) as runs,
    count(distinct case when not ephemeral then anonymous_id end) as installations,
    count(distinct case when ephemeral then anonymous_id end) as container_starts,
    round(avg(case when outcome in ('error', 'usage_error') then 1e0 else 0e0 end), 4) as error_rate,
    min(case when place * 100 >= timed * 50 then duration_ms end) as median_ms,
    min(case when place * 100 >= timed * 95 then duration_ms end) as p95_ms
from ranked
group by tool, version, command
order by tool, version, runs desc, command
