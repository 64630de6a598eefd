# event.sh: what happened, and where; made of closed lists, and put where it waits. The second part of cli-analytics.sh.
# What event.py, properties.py, identity.py and spool.py do.
# shellcheck shell=sh disable=SC2015,SC2154 # as in cli-analytics.sh

_analytics_debug() { _analytics_opts_out "${CLI_ANALYTICS_DEBUG-}"; }

_analytics_say() { ! _analytics_debug || printf '%s analytics: %s\n' "$_analytics_tool" "$1" >&3; }

_analytics_record() { # EVENT [PROPERTY=VALUE]...
  _analytics_baked && _analytics_locate && _analytics_environment || return
  case $_analytics_state in '{'*) ;;
    *) _analytics_say "$1 was not recorded: $_analytics_state"; return ;;
  esac
  _analytics_declared "$1" || { _analytics_say "$1 is not declared"; return; }
  _analytics_event=$1 _analytics_properties=''
  shift
  for _analytics_pair; do
    _analytics_name=${_analytics_pair%%=*} _analytics_json=''
    _analytics_property "$_analytics_event.$_analytics_name" "${_analytics_pair#*=}"
    case ",$_analytics_properties:$_analytics_json" in
      *: | *",\"$_analytics_name\":"*) _analytics_say "$_analytics_event has no such $_analytics_name" ;;
      *)
        _analytics_properties=$_analytics_properties${_analytics_properties:+,}
        _analytics_properties="$_analytics_properties\"$_analytics_name\":$_analytics_json" ;;
    esac
  done
  # shellcheck disable=SC2046 # three words; a date that has no milliseconds repeats their name
  set -- $(date -u '+%Y-%m-%dT%H:%M:%S %s %3N')
  case $3 in [0-9][0-9][0-9]) ;; *) set -- "$1" "$2" 000 ;; esac
  _analytics_client_id && _analytics_uuid || return
  _analytics_json="{\"type\":\"track\",\"event\":\"$_analytics_event\",\"messageId\":\"$_analytics_uuid\","
  _analytics_json="$_analytics_json\"anonymousId\":\"$_analytics_id\",\"timestamp\":\"$1.$3Z\","
  _analytics_json="$_analytics_json\"context\":$_analytics_state,\"properties\":{$_analytics_properties}}"
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
  # shellcheck disable=SC2046 # two words
  set -- $(uname -sm) "$(nproc || getconf _NPROCESSORS_ONLN)" 1
  while [ "$4" -lt 128 ] && [ $(($4 * 2)) -le "${3:-1}" ]; do set -- "$1" "$2" "$3" $(($4 * 2)); done
  _analytics_in_container || :
  _analytics_rest=''
  ! _analytics_matches "${_analytics_version-}" || _analytics_rest=",\"version\":\"$_analytics_version\""
  printf '{"ip":"0.0.0.0","library":{"name":"cli-analytics","version":"%s"},"app":{"name":"%s"%s},' \
    "$_analytics_library" "$_analytics_tool" "$_analytics_rest"
  printf '"os":{"name":"%s"},"arch":"%s",' "$1" "$2"
  [ -z "$3" ] || printf '"cpus":%s,' "$4"
  printf '"ci":"%s","container":"%s","sessionId":%s}' "$_analytics_ci" "$_analytics_container" "$(date +%s)"
}

_analytics_in_container() {
  if [ -n "${KUBERNETES_SERVICE_HOST-}" ]; then _analytics_container=kubernetes
  elif [ -e /.dockerenv ]; then _analytics_container=docker
  elif [ -e /run/.containerenv ]; then _analytics_container=podman
  else _analytics_container=${container:+other}; fi
  : "${_analytics_container:=none}"
  [ "$_analytics_container" != none ]
}

_analytics_matches() { # VALUE [EXPRESSION]: without one, a label
  case $1 in '' | *[!A-Za-z0-9_.:+\<\>\ -]*) return 1 ;; esac
  [ -n "${2-}" ] || case $1 in [!A-Za-z0-9]* | *[!A-Za-z0-9_.+-]*) return 1 ;; *) [ ${#1} -le 40 ]; return ;; esac
  printf '%s\n' "$1" | grep -Eqx -e "$2"
}

_analytics_number() { # VALUE in its shortest form; false where it is no whole number
  _analytics_number=${1#-}
  case $_analytics_number in '' | *[!0-9]*) return 1 ;; esac
  _analytics_number=${_analytics_number#"${_analytics_number%%[!0]*}"}
  case $1 in -*) _analytics_number=${_analytics_number:+-$_analytics_number} ;; esac
  _analytics_number=${_analytics_number:-0}
}

_analytics_is_less() { # of two whole numbers of any length: some shells have but 32 bits
  case "$1 $2" in -*\ -*) set -- "${2#-}" "${1#-}" ;; -*) return ;; *\ -*) return 1 ;; esac
  if [ ${#1} -ne ${#2} ]; then [ ${#1} -lt ${#2} ]
  elif [ ${#1} -lt 10 ]; then [ "$1" -lt "$2" ]
  else expr "x$1" '<' "x$2"; fi
}

_analytics_integer() { # VALUE MIN MAX
  _analytics_number "$1" || return
  ! _analytics_is_less "$_analytics_number" "$2" || _analytics_number=$2
  ! _analytics_is_less "$3" "$_analytics_number" || _analytics_number=$3
  _analytics_json=$_analytics_number
}

_analytics_bucket() { # VALUE LABEL [EDGE LABEL]...
  _analytics_number "$1" || return
  shift
  while [ $# -gt 1 ] && ! _analytics_is_less "$_analytics_number" "$2"; do shift 2; done
  _analytics_json="\"$1\""
}

_analytics_is_id() {
  set -- "$1" '[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
  # shellcheck disable=SC2254 # it is meant as a pattern
  case $1 in $2$2-$2-$2-$2-$2$2$2) ;; *) return 1 ;; esac
}

_analytics_uuid() { # a random one
  read -r _analytics_uuid </proc/sys/kernel/random/uuid ||
    _analytics_uuid=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n' |
      sed 's/\(.\{8\}\)\(....\).\(...\).\(...\)/\1-\2-4\3-a\4-/')
  _analytics_is_id "$_analytics_uuid"
}

_analytics_client_id() { # made with the first event
  _analytics_id=$_analytics_handed_id _analytics_file=$_analytics_config/client-id
  [ -z "$_analytics_handed" ] || return 0
  if [ ! -e "$_analytics_file" ] && [ ! -L "$_analytics_file" ]; then
    _analytics_id=00000000-0000-4000-8000-000000000000
    ! _analytics_debug || return 0
    mkdir -p "$_analytics_config" && _analytics_uuid && set -- "$_analytics_file.$$.${_analytics_uuid%%-*}" || return
    _analytics_uuid && printf '%s\n' "$_analytics_uuid" >"$1" && { ln "$1" "$_analytics_file" ||
      (set -C && cat "$1" >"$_analytics_file"); } # on a file system without links
    rm -f "$1"
  fi
  read -r _analytics_id _analytics_rest <"$_analytics_file"
  _analytics_is_id "$_analytics_id"
}

_analytics_append() { # MILLISECONDS: let the event wait, or count it as dropped where too many do
  if [ -n "$_analytics_mounted" ]; then umask 022 # what root writes in a container its launcher must be able to read
  elif [ ! -d "$_analytics_spool/new" ] || [ ! -d "$_analytics_spool/tmp" ]; then
    mkdir -p "$_analytics_spool/claimed" "$_analytics_spool/tmp" "$_analytics_spool/new"
  fi
  set -- "$1-${_analytics_uuid##*-}-${#_analytics_json}.json" 0 ${#_analytics_json}
  for _analytics_file in "$_analytics_spool"/new/*.json "$_analytics_spool"/shell-*/*.json; do
    _analytics_number=${_analytics_file##*-}
    case ${_analytics_number%.json} in '' | 0* | *[!0-9]*) ;;
      *) set -- "$1" $(($2 + 1)) $(($3 + ${_analytics_number%.json})) ;;
    esac
  done
  if [ "$2" -ge 1000 ] || [ "$3" -gt 1048576 ]; then
    printf . >>"$_analytics_spool/dropped"
  else
    printf %s "$_analytics_json" >"$_analytics_spool/tmp/$1" &&
      mv "$_analytics_spool/tmp/$1" "$_analytics_spool/new/$1" || rm -f "$_analytics_spool/tmp/$1"
  fi
}

_analytics_docker_args() {
  _analytics_baked || return
  case ${_analytics_state-} in '{'*) ;; *) ! : ;; esac && _analytics_decide && _analytics_client_id ||
    { printf '%s\n' '-e CLI_ANALYTICS_HANDOVER=1:off -e SEND_ANONYMOUS_USAGE_INFO=false'; return; }
  printf '%s' "-e CLI_ANALYTICS_HANDOVER=1:$_analytics_id:$_analytics_digest:on" \
    " -e SEND_ANONYMOUS_USAGE_INFO=${_analytics_yes:+true}"
  case "$_analytics_spool ${DOCKER_HOST:-unix://}" in
    *[!A-Za-z0-9_./@%+=-]*' '*) ;; # it would not be one word
    *' unix://'*) # an engine on this machine
      mkdir -p "$_analytics_spool/claimed" "$_analytics_spool/tmp" "$_analytics_spool/new" &&
      printf ' %s' -e CLI_ANALYTICS_SPOOL=/cli-analytics-spool -v "$_analytics_spool:/cli-analytics-spool" ;;
  esac
  printf '\n'
}
