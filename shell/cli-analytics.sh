#!/bin/sh
# cli-analytics.sh: usage analytics for tools that are written in shell. docs/shell.md says how to use it.
#
# Files, rules and their order are those of the Python package: storage.py, consent.py, spool.py, breaker.py, log.py.
# All work is done in subshells, so that no option, trap or variable of the caller matters or changes. Values come from
# closed lists, so whatever is passed, what is put together here is JSON, and one line.
#
# This part decides and tells; event.sh records, sender.sh sends. `cli-analytics shell` makes one file of them.
# shellcheck disable=SC2015,SC2154 # in A && B || C the last is for both; other parts, or what is baked, assign it
{ # One brace around all of it: of a download that was cut off nothing runs.

# --- Baked: `cli-analytics shell` replaces what is between these lines. As it is here nothing is ever recorded.
_analytics_baked() { return 1; }
# --- End of what is baked.

analytics_begin() { # VERSION [off]: may this run record? `off`: a flag or the tool's own configuration says no
  _analytics_version=${1-} _analytics_flag=${2-} _analytics_clocks=''
  _analytics_state=$(_analytics_calm && _analytics_begin) || _analytics_state='it could not be decided'
}

analytics_record() { # EVENT [PROPERTY=VALUE]...
  case ${_analytics_state-}${CLI_ANALYTICS_DEBUG:+debug} in
    '{'* | *debug) (_analytics_calm && _analytics_record "$@" >/dev/null) || : ;;
  esac
}

analytics_run() { # COMMAND [ARGUMENT]...: run it, return its exit status; $analytics_command is its name in reports
  case ${_analytics_state-} in '{'*) ;; *) "$@"; return ;; esac
  _analytics_clocks="$(_analytics_calm && _analytics_clock) ${_analytics_clocks-}" _analytics_status=0
  "$@" || _analytics_status=$?
  (_analytics_calm && _analytics_ran >/dev/null) || :
  _analytics_clocks=${_analytics_clocks#* }
  return "$_analytics_status"
}

analytics_docker_args() { (_analytics_calm && _analytics_docker_args) || :; } # for `docker run`, to be used unquoted

analytics_end() { # send what waits, in the background, which must not hold what the caller has open
  case ${_analytics_state-} in '{'*) ;; *) return 0 ;; esac
  case ${ZSH_VERSION-} in # in zsh it is a redirection of the subshell that is held, in ksh93 what exec replaces
    ?*) (_analytics_calm && exec >/dev/null && _analytics_end) || : ;;
    *) (_analytics_calm && _analytics_end) >/dev/null 2>/dev/null || : ;;
  esac
}

# For users: is anything recorded, and why; say yes; say no, for good.
analytics_status() { (_analytics_calm && _analytics_show_status); }
analytics_on() { (_analytics_calm && _analytics_choose on); }
analytics_off() { (_analytics_calm && _analytics_choose off); }

_analytics_calm() { # in a subshell: what the caller has set ends here; the caller's stderr becomes descriptor 3
  { set +aefuvxC; } 2>/dev/null
  case ${ZSH_VERSION-} in ?*) emulate sh ;; esac
  command exec 3>&2 || command exec 3>/dev/null
  exec </dev/null 2>/dev/null
  unset -f cat curl cut date expr find flock getconf grep id ln ls mkdir mv nproc od rm rmdir sed sh sha256sum tail
  unset -f timeout touch tr uname wc wget
  unset IFS
  umask 077
  export LC_ALL=C
}

_analytics_begin() { # print the context of this run's events, or why there are none
  if _analytics_decide && _analytics_still_wanted; then _analytics_warn_deployer && _analytics_context; else
    [ "$_analytics_source" != notice ] || _analytics_show_notice
    printf '%s (%s)' "$_analytics_reason" "$_analytics_source"
  fi
}

# --- May we record? consent.py

_analytics_no() { # SOURCE REASON
  _analytics_source=$1 _analytics_reason=$2
  return 1
}

_analytics_decide() { # the first rule that answers wins
  _analytics_source=default _analytics_reason='nothing says no, and you were told'
  _analytics_baked || { _analytics_no manifest 'there is none in this file'; return; }
  _analytics_locate
  _analytics_saved machine "$_analytics_site/choice" "$_analytics_site_all" &&
    _analytics_environment &&
    { [ -z "${_analytics_flag-}" ] || _analytics_no flag 'this run was started with what says no'; } &&
    _analytics_saved choice "$_analytics_config/choice" "$_analytics_all_tools" &&
    { [ -z "$_analytics_ends" ] || [ "$(date -u +%Y%m%d)" -le "$_analytics_last_day" ] ||
      _analytics_no 'end date' "collection ended on $_analytics_ends"; } &&
    _analytics_in_ci && _analytics_in_development && _analytics_can_store && _analytics_opted_in && _analytics_informed
}

_analytics_locate() { # storage.py; without a home below what is no folder, so that nothing can be stored
  _analytics_home=${HOME-} _analytics_user=''
  [ -n "${HOME+set}" ] || _analytics_user=$(id -un)
  case $_analytics_user in '' | *[!A-Za-z0-9_.-]*) ;; *) eval "_analytics_home=~$_analytics_user" ;; esac
  case $_analytics_home in /*) ;; *) _analytics_home=/dev/null ;; esac
  _analytics_config=$_analytics_home/.config _analytics_local=$_analytics_home/.local/state _analytics_site=/etc/xdg
  if [ -d /System/Library ]; then # macOS
    _analytics_config="$_analytics_home/Library/Application Support" _analytics_site='/Library/Application Support'
    _analytics_local=$_analytics_config
  fi
  case ${XDG_CONFIG_HOME-} in /*) _analytics_config=$XDG_CONFIG_HOME ;; esac
  case ${XDG_STATE_HOME-} in /*) _analytics_local=$XDG_STATE_HOME ;; esac
  case ${XDG_CONFIG_DIRS-} in /*) _analytics_site=${XDG_CONFIG_DIRS%%:*} ;; esac
  _analytics_all_tools=$_analytics_config/cli-analytics/choice _analytics_site_all=$_analytics_site/cli-analytics/choice
  _analytics_site=$_analytics_site/$_analytics_tool/analytics
  _analytics_config=$_analytics_config/$_analytics_tool/analytics
  _analytics_local=$_analytics_local/$_analytics_tool/analytics _analytics_mounted=''
  _analytics_spool=$_analytics_local/spool
  case ${CLI_ANALYTICS_SPOOL-} in /*)
    [ ! -w "$CLI_ANALYTICS_SPOOL/new" ] || _analytics_spool=$CLI_ANALYTICS_SPOOL _analytics_mounted=mounted ;;
  esac
}

_analytics_saved() { # SOURCE FILE FILE
  for _analytics_file in "$2" "$3"; do
    _analytics_read_choice "$_analytics_file"
    case $_analytics_said in '' | on) ;; *) _analytics_no "$1" "$_analytics_file $_analytics_said"; return ;; esac
  done
}

_analytics_read_choice() { # FILE: `on` or why not; nothing only where there is no such file
  _analytics_said=''
  _analytics_nearest "$1"
  if [ -e "$1" ] || [ -L "$1" ] || { [ -d "$_analytics_there" ] && [ ! -x "$_analytics_there" ]; }; then
    [ ! -f "$1" ] || read -r _analytics_said _analytics_rest <"$1"
    case $_analytics_said in on) ;; off) _analytics_said='says off' ;; *) _analytics_said="can't be read" ;; esac
  fi
}

_analytics_nearest() { # PATH: the nearest of its folders that is there
  _analytics_there=${1%/*}
  while [ -n "$_analytics_there" ] && [ ! -e "$_analytics_there" ] && [ ! -L "$_analytics_there" ]; do
    _analytics_there=${_analytics_there%/*}
  done
  _analytics_there=${_analytics_there:-/}
}

_analytics_strip() { # VALUE: without the blanks around it
  set -f
  # shellcheck disable=SC2086 # splitting is what takes the blanks away
  set -- $1
  set +f
  case $# in 0 | 1) _analytics_word=${1-} ;; *) _analytics_word='several words' ;; esac
}

_analytics_opts_out() { # VALUE, read like that of DO_NOT_TRACK
  _analytics_strip "$1"
  [ -n "$_analytics_word" ] && ! _analytics_is_no "$_analytics_word"
}

_analytics_environment() {
  _analytics_strip "${SEND_ANONYMOUS_USAGE_INFO-}"
  _analytics_yes=$_analytics_word
  [ -z "$_analytics_yes" ] || _analytics_is_yes "$_analytics_yes" ||
    { _analytics_no environment 'SEND_ANONYMOUS_USAGE_INFO is set and is no yes'; return; }
  for _analytics_name in DO_NOT_TRACK $_analytics_opt_out_env; do
    eval "_analytics_value=\${$_analytics_name-}"
    ! _analytics_opts_out "$_analytics_value" || { _analytics_no environment "$_analytics_name is set"; return; }
  done
  _analytics_strip "${CLI_ANALYTICS_HANDOVER-}"
  _analytics_handed=${_analytics_word#1:}
  _analytics_handed_id=${_analytics_handed%%:*} _analytics_handed=${_analytics_handed#*:}
  case $_analytics_word in
    '') ;;
    1:*:[!:]*:on) _analytics_is_id "$_analytics_handed_id" && _analytics_handed=${_analytics_handed%:on} ;;
    *) false ;;
  esac || _analytics_no environment 'CLI_ANALYTICS_HANDOVER says off'
}

_analytics_in_ci() {
  _analytics_ci=none
  _analytics_strip "${CI-}"
  case $_analytics_word in [Ff][Aa][Ll][Ss][Ee]) ;; *) _analytics_vendor ;; esac
  [ "$_analytics_ci" = none ] || [ "$_analytics_policy_ci" = on ] ||
    _analytics_no ci "this is continuous integration ($_analytics_ci)"
}

_analytics_in_development() {
  ! _analytics_tests || { _analytics_no development 'this is a test run'; return; }
  ! _analytics_unreleased "${_analytics_version-1}" ||
    _analytics_no development "${_analytics_version:-no version} is a development version"
}

_analytics_can_store() { # who was handed an id and a spool needs no folder of their own
  set -- "$_analytics_spool/tmp/" "$_analytics_spool/new/"
  [ -n "$_analytics_mounted" ] || [ -d "$_analytics_home" ] || set -- "$_analytics_home/is no folder/"
  [ -n "$_analytics_mounted" ] && [ -n "$_analytics_handed" ] || set -- "$@" "$_analytics_config/" "$_analytics_local/"
  for _analytics_file; do
    _analytics_nearest "$_analytics_file"
    [ -d "$_analytics_there" ] && [ -w "$_analytics_there" ] && [ -x "$_analytics_there" ] && _analytics_is_ours ||
      { _analytics_no storage "can't store anything in ${_analytics_file%/}"; return; }
  done
}

_analytics_is_ours() { # for root (sudo) only what is root's, or what a launcher mounted
  # shellcheck disable=SC2012,SC3067 # where -O is unknown, ls answers
  [ -n "$_analytics_mounted" ] || [ -O "$_analytics_there" ] || [ "$(id -u)" != 0 ] ||
    [ "$(ls -nd "$_analytics_there" | tr -s ' ' | cut -d ' ' -f 3)" = 0 ]
}

_analytics_opted_in() {
  [ "$_analytics_default$_analytics_yes" = off ] && [ "$_analytics_handed" != "$_analytics_digest" ] || return 0
  for _analytics_file in "$_analytics_config/choice" "$_analytics_all_tools"; do
    _analytics_read_choice "$_analytics_file"
    [ "$_analytics_said" != on ] || return 0
  done
  _analytics_no opt-in 'it is off until you say yes'
}

_analytics_informed() {
  _analytics_read_stamp
  [ "$_analytics_told" != unreadable ] || { _analytics_no stamp "nobody knows what you were told"; return; }
  [ -n "$_analytics_yes" ] || [ "$_analytics_digest" = "$_analytics_told" ] ||
    [ "$_analytics_digest" = "$_analytics_handed" ] ||
    _analytics_no notice 'you have not been told yet; the notice is shown on a terminal'
}

_analytics_read_stamp() { # the digest of what the user was told; nothing where there is no stamp
  _analytics_told='' _analytics_rest=''
  [ -e "$_analytics_local/stamp" ] || [ -L "$_analytics_local/stamp" ] || return
  [ ! -f "$_analytics_local/stamp" ] || read -r _analytics_rest _analytics_told <"$_analytics_local/stamp"
  case "$_analytics_rest $_analytics_told" in 'told: '?*' '????-??-??) ;; *) _analytics_told=unreadable ;; esac
  _analytics_told=${_analytics_told%% *}
}

_analytics_still_wanted() { # not where every destination has told this version to stop: breaker.py
  [ -s "$_analytics_local/breaker" ] || return 0
  while read -r _analytics_rest; do
    case "$_analytics_rest " in *' '*' '*" ${_analytics_version-} "*) ;; *) return 0 ;; esac
  done <"$_analytics_local/breaker"
  _analytics_no endpoint 'it is gone for good (HTTP 410), until the tool is upgraded'
}

# --- What the user was told, and says: notice.py, user_commands.py

_analytics_show_notice() { # once, however many run first; the lock is Python's, where there is a command for it
  [ -t 3 ] && [ "$_analytics_ci" = none ] && mkdir -p "$_analytics_local" || return
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
  set -- "mkdir -p '$_analytics_config' && echo off > '$_analytics_config/choice'"
  [ -z "${analytics_commands-}" ] || set -- "$analytics_commands off"
  _analytics_notice "${_analytics_word:+segment at ${_analytics_word%%/*}}" "$1"
}

_analytics_stamp() { # TOLD
  printf 'told: %s %s\ndisclosure: %s\ndefault: %s\nci: %s\nopt_out_env: %s\nends: %s\n\n' "$1" "$(date -u +%Y-%m-%d)" \
    "$_analytics_digest" "$_analytics_default" "$_analytics_policy_ci" "$_analytics_opt_out_env" "$_analytics_ends" &&
    _analytics_manifest
}

_analytics_warn_deployer() { # a container's variable may have come with its image, unseen
  [ -n "$_analytics_yes" ] && [ -z "$_analytics_handed$_analytics_told" ] && _analytics_in_container &&
    ! _analytics_debug || return 0
  _analytics_replace "$_analytics_local/stamp" _analytics_stamp - && _analytics_warning >&3
}

_analytics_choose() { # on or off; off deletes the id, what waits and the log
  _analytics_baked || return
  _analytics_locate
  _analytics_nearest "$_analytics_config/"
  set -- "$1" "$(date -u +%Y-%m-%d)"
  _analytics_is_ours && _analytics_replace "$_analytics_config/choice" printf '%s %s\n' "$@" ||
    { printf "Your choice can't be kept. To say no, set SEND_ANONYMOUS_USAGE_INFO=false\n" >&3; return 1; }
  if [ "$1" = on ]; then
    printf '%s records pseudonymous usage data from now on.\n' "$_analytics_tool"
    _analytics_text | sed 1d && _analytics_replace "$_analytics_local/stamp" _analytics_stamp "$_analytics_digest"
  else
    rm -f "$_analytics_config"/client-id* "$_analytics_local/sent.ndjson" "$_analytics_spool"/*/*.json \
      "$_analytics_spool"/*/*/*.json "$_analytics_spool"/shell-*/* "$_analytics_spool/dropped" &&
      printf '%s records no usage data any more. Deleted: the id, the log and what waited.\n' "$_analytics_tool"
  fi
}

_analytics_show_status() {
  if _analytics_decide && _analytics_still_wanted; then _analytics_rest=''; else _analytics_rest='NOT '; fi
  printf '%s: usage data is %srecorded\n  because %s (%s)\n' "${_analytics_tool-this tool}" "$_analytics_rest" \
    "$_analytics_reason" "$_analytics_source"
  ! _analytics_baked || printf '  files in %s\n       and %s\n' "$_analytics_config" "$_analytics_local"
}

_analytics_replace() { # PATH COMMAND...: write what the command prints, whole or not at all
  _analytics_path=$1
  shift
  mkdir -p "${_analytics_path%/*}" && _analytics_uuid && _analytics_draft=$_analytics_path.$$.${_analytics_uuid%%-*} &&
    "$@" >"$_analytics_draft" && mv -f "$_analytics_draft" "$_analytics_path" && return
  rm -f "$_analytics_draft"
  return 1
}

} # The end.
