# notice.sh: what the user is told, and says. The second part of cli-analytics.sh.
# What notice.py, deployment.py and user_commands.py do.
# shellcheck shell=sh disable=SC2010,SC2012,SC2015,SC2044,SC2046,SC2086,SC2154 # as in cli-analytics.sh

_analytics_show_notice() { # once, however many run first; the lock is Python's, where there is a command for it
  [ -t 3 ] && [ "$_analytics_ci$_analytics_handover" = none ] && ! _analytics_agent && mkdir -p "$_analytics_local" ||
    return
  (
    flock -n 9
    [ $? != 1 ] || exit
    _analytics_read_stamp
    [ "$_analytics_told" = "$_analytics_digest" ] || _analytics_replace "$_analytics_local/stamp" _analytics_tell
  ) 9>>"$_analytics_local/notice.lock"
}

_analytics_tell() { _analytics_stamp "$_analytics_digest" && _analytics_text >&3; } # kept only if it could be shown

_analytics_text() {
  _analytics_strip "${CLI_ANALYTICS_ENDPOINT-}"
  _analytics_word=${_analytics_word#*://}
  set -- "mkdir -p '${_analytics_choice%/*}' && echo off > '$_analytics_choice'"
  [ -z "${analytics_commands-}" ] || set -- "$analytics_commands off"
  _analytics_notice "${_analytics_word:+segment at ${_analytics_word%%/*}}" "$1"
}

_analytics_stamp() { # TOLD
  printf 'told: %s %s\ndisclosure: %s\ndefault: %s\nci: %s\nopt_out_env: %s\nends: %s\n\n' "$1" "$(date -u +%Y-%m-%d)" \
    "$_analytics_digest" "$_analytics_default" "$_analytics_policy_ci" "$_analytics_opt_out_env" "$_analytics_ends" &&
    _analytics_manifest
}

_analytics_warn_deployer() { # once a start: a container's variable may have come with its image, unseen
  [ -n "$_analytics_deployed" ] && [ -z "$_analytics_handover${_analytics_told#-}" ] && ! _analytics_debug || return
  [ -w "$_analytics_memory" ] || _analytics_start=$_analytics_local
  mkdir -p "$_analytics_start"
  (set -C && : >"$_analytics_start/told") || [ ! -e "$_analytics_start/told" ] && _analytics_warning >&3
}

_analytics_choose() { # on or off; off deletes the id, what waits and the log
  _analytics_baked || return
  _analytics_locate
  _analytics_nearest "$_analytics_choice"
  set -- "$1" "$(date -u +%Y-%m-%d)"
  [ -d "$_analytics_home" ] && _analytics_is_ours && _analytics_replace "$_analytics_choice" printf '%s %s\n' "$@" ||
    { printf "Your choice can't be kept. To say no, set SEND_ANONYMOUS_USAGE_INFO=false\n" >&3; return 1; }
  if [ "$1" = on ]; then
    printf '%s records pseudonymous usage data from now on.\n' "$_analytics_tool"
    _analytics_text | sed 1d && _analytics_replace "$_analytics_local/stamp" _analytics_stamp "$_analytics_digest"
  else
    rm -f "$_analytics_config"/client-id* "$_analytics_local/sent.ndjson" &&
      { [ ! -d "$_analytics_spool" ] || find "$_analytics_spool" ! -type d -exec rm -f {} +; } &&
      printf '%s records no usage data any more. Deleted: the id, the log and what waited.\n' "$_analytics_tool"
  fi
}

_analytics_show_status() {
  if _analytics_decide && _analytics_still_wanted; then _analytics_rest=''; else _analytics_rest='NOT '; fi
  printf '%s: usage data is %srecorded\n  because %s (%s)\n' "${_analytics_tool-this tool}" "$_analytics_rest" \
    "$_analytics_reason" "$_analytics_source"
  ! _analytics_baked || printf '  files in %s\n       and %s\n' "$_analytics_config" "$_analytics_local"
}
