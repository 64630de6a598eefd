# event.sh: what happened, and where; made of closed lists, and put where it waits. The third part of cli-analytics.sh.
# What event.py, properties.py, identity.py and spool.py do.
# shellcheck shell=sh disable=SC2010,SC2012,SC2015,SC2044,SC2046,SC2086,SC2154 # as in cli-analytics.sh

_analytics_debug() { _analytics_opts_out "${CLI_ANALYTICS_DEBUG-}"; }

_analytics_say() { ! _analytics_debug || printf '%s analytics: %s\n' "$_analytics_tool" "$1" >&3; }

_analytics_record() { # EVENT [PROPERTY=VALUE]...
  _analytics_baked && _analytics_locate && _analytics_environment || return
  _analytics_is_on || { _analytics_say "$1 was not recorded: $_analytics_state"; return; }
  _analytics_declared "$1" || { _analytics_say "$1 is not declared"; return; }
  _analytics_event=$1 _analytics_properties=''
  shift
  for _analytics_pair; do
    _analytics_name=${_analytics_pair%%=*} _analytics_json=''
    _analytics_property "$_analytics_event.$_analytics_name" "${_analytics_pair#*=}"
    case ",$_analytics_properties:$_analytics_json" in
      *: | *",\"$_analytics_name\":"*) _analytics_say "$_analytics_event has no such $_analytics_name" ;;
      *) _analytics_properties="$_analytics_properties,\"$_analytics_name\":$_analytics_json" ;;
    esac
  done
  set -- $(date -u '+%Y-%m-%dT%H:%M:%S %s %3N')
  case $3 in [0-9][0-9][0-9]) ;; *) set -- "$1" "$2" 000 ;; esac # not every date has milliseconds
  _analytics_client_id && _analytics_uuid || return
  _analytics_json="{\"type\":\"track\",\"event\":\"$_analytics_event\",\"messageId\":\"$_analytics_uuid\","
  _analytics_json="$_analytics_json\"anonymousId\":\"$_analytics_id\",\"timestamp\":\"$1.$3Z\","
  _analytics_json="$_analytics_json\"context\":$_analytics_state,\"properties\":{${_analytics_properties#,}}}"
  if _analytics_debug; then printf '%s\n' "$_analytics_json" >&3; else _analytics_append "$2$3"; fi
}

_analytics_ran() { # what analytics_run records
  _analytics_baked && set -- "$(_analytics_clock)" "${_analytics_clocks%% *}" "$_analytics_status"
  [ "$3" -le 256 ] || set -- "$1" "$2" "$((($3 - 1) % 128 + 129))" # ksh93 and yash say so of a signal
  case $3 in 0) _analytics_rest=ok ;; 130) _analytics_rest=aborted ;; *) _analytics_rest=error ;; esac
  _analytics_record command_run "command=${analytics_command:-$_analytics_tool}" "outcome=$_analytics_rest" \
    "exit_code=$3" "duration_ms=$(((${1%.*} - ${2%.*}) * 1000 + (1${1#*.} - 1${2#*.}) * 10))"
}

_analytics_clock() { # seconds and hundredths
  read -r _analytics_rest _analytics_word </proc/uptime || _analytics_rest=$(date +%s).00
  printf '%s' "$_analytics_rest"
}

_analytics_context() {
  set -- $(uname -sm) "$(nproc || getconf _NPROCESSORS_ONLN)" 1
  while [ "$4" -lt 128 ] && [ $(($4 * 2)) -le "${3:-1}" ]; do set -- "$1" "$2" "$3" $(($4 * 2)); done
  printf '{"ip":"0.0.0.0","library":{"name":"cli-analytics","version":"%s"},"app":{"name":"%s"' \
    "$_analytics_library" "$_analytics_tool"
  ! _analytics_matches "${_analytics_version-}" || printf ',"version":"%s"' "$_analytics_version"
  printf '},"os":{"name":"%s"},"arch":"%s",' "$1" "$2"
  [ -z "$3" ] || printf '"cpus":%s,' "$4"
  printf '"ci":"%s","container":"%s","sessionId":%s' "$_analytics_ci" "$_analytics_container" "$(date +%s)"
  [ -z "$_analytics_ephemeral" ] || [ -n "$_analytics_handed" ] || printf ',"ephemeral":true'
  printf '}'
}

_analytics_matches() { # VALUE [EXPRESSION]: without one, a label
  case $1 in '' | *[!A-Za-z0-9_.:+\<\>\ -]*) return 1 ;; esac
  [ -n "${2-}" ] || case $1 in [!A-Za-z0-9]* | *[!A-Za-z0-9_.+-]*) return 1 ;; *) [ ${#1} -le 40 ]; return ;; esac
  printf '%s\n' "$1" | grep -Eqx -e "$2"
}

_analytics_counts() { # NUMBER...: whole ones, in their shortest form, that this shell can count to; mksh has 32 bits
  for _analytics_number; do
    case $_analytics_number in '' | - | -0* | 0?* | *[!0-9-]* | ?*-*) return 1 ;; esac
    [ ${#_analytics_number} -lt 19 ] && [ "$_analytics_number" = $((_analytics_number)) ] || return
  done
}

_analytics_integer() { # VALUE MIN MAX
  _analytics_counts "$@" || return
  [ "$1" -ge "$2" ] || set -- "$2" "$2" "$3"
  [ "$1" -le "$3" ] || set -- "$3"
  _analytics_json=$1
}

_analytics_bucket() { # VALUE LABEL [EDGE LABEL]...
  _analytics_counts "$1" || return
  _analytics_rest=$1
  shift
  while [ $# -gt 1 ] && _analytics_counts "$2" && [ "$_analytics_rest" -ge "$2" ]; do shift 2; done
  _analytics_json="\"$1\""
}

_analytics_is_id() {
  case $1 in *[!0-9a-f-]* | *-*-*-*-*-*) ! : ;; ????????-????-????-????-????????????) ;; *) ! : ;; esac
}

_analytics_uuid() { # a random one
  read -r _analytics_uuid </proc/sys/kernel/random/uuid || _analytics_uuid=$(uuidgen | tr A-F a-f)
  _analytics_is_id "$_analytics_uuid"
}

_analytics_client_id() { # made with the first event
  [ -z "$_analytics_handed" ] || return 0
  set -- "$_analytics_config/client-id"
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then
    _analytics_id=00000000-0000-4000-8000-000000000000
    ! _analytics_debug || return 0
    _analytics_uuid && mkdir -p "$_analytics_config" && set -- "$1" "$1.$$.${_analytics_uuid%%-*}" || return
    _analytics_uuid && printf '%s\n' "$_analytics_uuid" >"$2" && ln "$2" "$1" ||
      (set -C && cat "$2" >"$1") # on a file system without links
    rm -f "$2"
  fi
  read -r _analytics_id _analytics_rest <"$1"
  _analytics_is_id "$_analytics_id"
}

_analytics_append() { # MILLISECONDS: let the event wait, or count it as dropped where too many do
  [ -z "$_analytics_mounted" ] || umask 022 # what root writes in a container its launcher must be able to read
  _analytics_file=$1-${_analytics_uuid##*-}-${#_analytics_json}.json
  set -- "$_analytics_spool"/new/*.json "$_analytics_spool"/shell-*/*.json
  if [ $# -gt 1000 ] || [ $(($# * ${#_analytics_json})) -gt 1048576 ]; then # as if all were as long as this one
    printf . >>"$_analytics_spool/dropped"
  else
    [ -d "$_analytics_spool/tmp" ] || _analytics_make_spool
    set -- "$_analytics_spool/tmp/$_analytics_file"
    printf %s "$_analytics_json" >"$1" && mv "$1" "$_analytics_spool/new" || rm -f "$1"
  fi
}

_analytics_make_spool() { # what is looked for is the last
  mkdir -p "$_analytics_spool/claimed" "$_analytics_spool/new" "$_analytics_spool/tmp"
}

_analytics_docker_args() {
  _analytics_baked || return
  _analytics_is_on && _analytics_decide && ! _analytics_debug && _analytics_client_id ||
    { printf '%s\n' '-e CLI_ANALYTICS_HANDOVER=1:off -e SEND_ANONYMOUS_USAGE_INFO=false'; return; }
  printf '%s' "-e CLI_ANALYTICS_HANDOVER=1:$_analytics_id:$_analytics_digest:on" \
    " -e SEND_ANONYMOUS_USAGE_INFO=${_analytics_yes:+true}${CLI_ANALYTICS_ENDPOINT:+ -e CLI_ANALYTICS_ENDPOINT}"
  case "$_analytics_spool ${DOCKER_HOST:-unix://}" in
    *[!A-Za-z0-9_./@%+=-]*' '*) ;; # it would not be one word
    *' unix://'*) # an engine on this machine
      _analytics_make_spool
      case $(ls -ld "$_analytics_local") in drwx------*) # which keeps other users out: then a container may run as any
        chmod 0755 "$_analytics_spool"
        find "$_analytics_spool/tmp" "$_analytics_spool/new" -prune -type d ! -perm 0777 -exec chmod 0777 {} + ;;
      esac
      printf ' %s' -e CLI_ANALYTICS_SPOOL=/cli-analytics-spool -v "$_analytics_spool:/cli-analytics-spool" ;;
  esac
  printf '\n'
}
