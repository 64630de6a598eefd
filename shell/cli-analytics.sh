#!/bin/sh
# cli-analytics.sh: usage analytics for tools that are written in shell. docs/shell.md says how to use it.
#
# Files, rules and their order are those of the Python package: storage.py, containers.py, consent.py, spool.py, log.py.
# All work is done in subshells, so that no option, trap or variable of the caller matters or changes. Values come from
# closed lists, so whatever is passed, what is put together here is JSON, and one line.
#
# This part decides, notice.sh tells, event.sh records, sender.sh sends. `cli-analytics shell` makes one file of them.
# shellcheck disable=SC2010,SC2012,SC2015,SC2044,SC2046,SC2086 # names of ours have no blanks, so splitting is meant
# shellcheck disable=SC2154 # other parts, or what is baked, assign it
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
  _analytics_is_on || { "$@"; return; }
  _analytics_clocks="$(_analytics_calm && _analytics_clock) ${_analytics_clocks-}"
  if "$@"; then _analytics_status=0; else _analytics_status=$?; fi # it may have run one of these itself
  (_analytics_calm && _analytics_ran >/dev/null) || :
  _analytics_clocks=${_analytics_clocks#* }
  return "$_analytics_status"
}

# For `docker run`, to be used unquoted; a word a line, for some scripts split at nothing else.
analytics_docker_args() { (_analytics_calm && _analytics_docker_args | tr ' ' '\n') || :; }

analytics_end() { # send what waits, in the background, which must not hold what the caller has open
  _analytics_is_on || return 0
  case ${ZSH_VERSION-} in # in zsh it is a redirection of the subshell that is held, in ksh93 what exec replaces
    ?*) (_analytics_calm && exec >/dev/null && _analytics_end) || : ;;
    *) (_analytics_calm && _analytics_end) >/dev/null 2>/dev/null || : ;;
  esac
}

# For users: is anything recorded, and why; say yes; say no, for good.
analytics_status() { (_analytics_calm && _analytics_show_status); }
analytics_on() { (_analytics_calm && _analytics_choose on); }
analytics_off() { (_analytics_calm && _analytics_choose off); }

_analytics_is_on() { case ${_analytics_state-} in '{'*) ;; *) return 1 ;; esac; }

_analytics_calm() { # in a subshell: what the caller has set ends here; the caller's stderr becomes descriptor 3
  { set +aefuvxC; } 2>/dev/null
  case ${ZSH_VERSION-} in ?*) emulate sh ;; esac
  command exec 3>&2 || command exec 3>/dev/null
  exec </dev/null 2>/dev/null
  unset -f cat chmod curl date find flock getconf grep head id ln ls mkdir mv nproc rm rmdir sed sha256sum stat tail
  unset -f timeout touch tr uname uuidgen wc wget
  unset IFS
  umask 077
  export LC_ALL=C
}

_analytics_begin() { # print the context of this run's events, or why there are none
  if _analytics_decide && _analytics_still_wanted; then
    _analytics_warn_deployer
    _analytics_context
  else
    [ "$_analytics_source" != notice ] || _analytics_show_notice
    printf '%s (%s)' "$_analytics_reason" "$_analytics_source"
  fi
}

_analytics_no() { # SOURCE REASON
  _analytics_source=$1 _analytics_reason=$2
  return 1
}

_analytics_decide() { # the first rule that answers wins
  _analytics_source=default _analytics_reason='nothing says no, and you were told'
  _analytics_baked || _analytics_no manifest 'there is none in this file' || return
  _analytics_locate
  _analytics_saved machine "$_analytics_site/$_analytics_tool/analytics/choice" "$_analytics_site_all" || return
  _analytics_environment || return
  [ -z "${_analytics_flag-}" ] || _analytics_no flag 'this run was started with what says no' || return
  _analytics_saved choice "$_analytics_choice" "$_analytics_all_tools" || return
  [ -z "$_analytics_ends" ] || [ "$(date -u +%Y%m%d)" -le "$_analytics_last_day" ] ||
    _analytics_no 'end date' "collection ended on $_analytics_ends" || return
  _analytics_find_ci
  [ "$_analytics_ci" = none ] || [ "$_analytics_policy_ci" = on ] ||
    _analytics_no ci "this is continuous integration ($_analytics_ci)" || return
  ! _analytics_tests || _analytics_no development 'this is a test run' || return
  ! _analytics_unreleased "${_analytics_version-1}" ||
    _analytics_no development "${_analytics_version:-no version} is a development version" || return
  _analytics_can_store || return
  [ "$_analytics_default$_analytics_said$_analytics_yes" != off ] || [ "$_analytics_digest" = "$_analytics_handed" ] ||
    _analytics_no opt-in 'it is off until you say yes' || return
  _analytics_read_stamp
  [ "$_analytics_told" != unreadable ] || _analytics_no stamp 'nobody knows what you were told' || return
  [ -n "$_analytics_yes" ] || case $_analytics_digest in "$_analytics_told" | "$_analytics_handed") ;; *) ! : ;; esac ||
    _analytics_no notice 'you have not been told yet; the notice is shown on a terminal'
}

_analytics_locate() { # storage.py; without a home nothing can be stored
  _analytics_home=${HOME-} _analytics_site=/etc/xdg
  [ -n "${HOME+set}" ] || eval "_analytics_home=~$(id -un | tr -cd 'A-Za-z0-9_.-')"
  case $_analytics_home in /*) ;; *) _analytics_home=/nonexistent ;; esac
  _analytics_config=$_analytics_home/.config _analytics_local=$_analytics_home/.local/state
  if [ -d /System/Library ]; then # macOS
    _analytics_config="$_analytics_home/Library/Application Support" _analytics_site='/Library/Application Support'
    _analytics_local=$_analytics_config
  fi
  case ${XDG_CONFIG_HOME-} in /*) _analytics_config=$XDG_CONFIG_HOME ;; esac
  case ${XDG_STATE_HOME-} in /*) _analytics_local=$XDG_STATE_HOME ;; esac
  case ${XDG_CONFIG_HOME-}:${XDG_STATE_HOME-} in /*:/*) _analytics_home=/ ;; esac # none is needed
  case ${XDG_CONFIG_DIRS-} in /*) _analytics_site=${XDG_CONFIG_DIRS%%:*} ;; esac
  _analytics_all_tools=$_analytics_config/cli-analytics/choice _analytics_site_all=$_analytics_site/cli-analytics/choice
  _analytics_config=$_analytics_config/$_analytics_tool/analytics _analytics_choice=$_analytics_config/choice
  _analytics_local=$_analytics_local/$_analytics_tool/analytics
  _analytics_read_variables
  _analytics_find_container
  _analytics_arrange
}

_analytics_read_variables() {
  _analytics_strip "${SEND_ANONYMOUS_USAGE_INFO-}"
  _analytics_yes=$_analytics_word
  _analytics_strip "${CLI_ANALYTICS_HANDOVER-}"
  _analytics_handover=$_analytics_word _analytics_id=${_analytics_word#1:} _analytics_handed='' # the digest of a yes
  case $_analytics_word in 1:*:*:*:on) ;; 1:*:?*:on)
    _analytics_handed=${_analytics_id#*:} _analytics_handed=${_analytics_handed%:on} _analytics_id=${_analytics_id%%:*}
    _analytics_is_id "$_analytics_id" || _analytics_handed='' ;;
  esac
}

_analytics_arrange() { # containers.py: what a deployer or a launcher says yes to lies in memory, if nobody lives here
  _analytics_ephemeral='' _analytics_mounted='' _analytics_deployed=$_analytics_handed
  [ -n "$_analytics_handover" ] || ! _analytics_is_yes "$_analytics_yes" || _analytics_deployed=yes
  [ "$_analytics_container" != none ] || _analytics_deployed=''
  if [ -n "$_analytics_deployed" ]; then
    _analytics_start=$_analytics_memory/cli-analytics-$(id -u)/$_analytics_tool # gone with this start of the container
    [ -e "$_analytics_config/client-id" ] || [ -e "$_analytics_local" ] ||
      _analytics_is_on_volume "$_analytics_config/" || _analytics_ephemeral=$_analytics_start
  fi
  if [ -n "$_analytics_ephemeral" ]; then
    _analytics_config=$_analytics_start _analytics_local=$_analytics_start _analytics_home=/ # none is needed
  fi
  _analytics_spool=$_analytics_local/spool
  case ${_analytics_handed:+${CLI_ANALYTICS_SPOOL-}} in /*)
    [ ! -w "$CLI_ANALYTICS_SPOOL/new" ] || _analytics_spool=$CLI_ANALYTICS_SPOOL _analytics_mounted=mounted ;;
  esac
}

_analytics_is_on_volume() { # PATH
  _analytics_nearest "$1"
  set -- $(stat -Lc %d "$_analytics_there" /)
  [ "${1-}" != "${2-}" ]
}

_analytics_saved() { # SOURCE FILE FILE: no file means the default, one that can't be read means no
  _analytics_said=''
  for _analytics_file in "$2" "$3"; do
    _analytics_nearest "$_analytics_file"
    if [ -e "$_analytics_file" ] || [ -L "$_analytics_file" ] ||
      { [ -d "$_analytics_there" ] && [ ! -x "$_analytics_there" ]; }; then
      _analytics_said=''
      [ ! -f "$_analytics_file" ] || read -r _analytics_said _analytics_rest <"$_analytics_file"
      case $_analytics_said in
        on) ;;
        off) _analytics_no "$1" "$_analytics_file says off" || return ;;
        *) _analytics_no "$1" "$_analytics_file can't be read" || return ;;
      esac
    fi
  done
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
  set -- $1
  set +f
  case $# in 0 | 1) _analytics_word=${1-} ;; *) _analytics_word='several words' ;; esac
}

_analytics_opts_out() { # VALUE, read like that of DO_NOT_TRACK
  _analytics_strip "$1"
  [ -n "$_analytics_word" ] && ! _analytics_is_no "$_analytics_word"
}

_analytics_environment() {
  [ -z "$_analytics_yes" ] || _analytics_is_yes "$_analytics_yes" ||
    _analytics_no environment 'SEND_ANONYMOUS_USAGE_INFO is set and is no yes' || return
  for _analytics_name in DO_NOT_TRACK $_analytics_opt_out_env; do
    eval "_analytics_word=\${$_analytics_name-}"
    ! _analytics_opts_out "$_analytics_word" || _analytics_no environment "$_analytics_name is set" || return
  done
  [ -z "$_analytics_handover" ] || [ -n "$_analytics_handed" ] ||
    _analytics_no environment 'CLI_ANALYTICS_HANDOVER says off'
}

_analytics_find_ci() {
  _analytics_ci=none
  _analytics_strip "${CI-}"
  case $_analytics_word in [Ff][Aa][Ll][Ss][Ee]) ;; *) _analytics_vendor ;; esac
}

_analytics_can_store() { # a spool that a launcher mounted needs no other folder
  [ -z "$_analytics_mounted" ] || return 0
  set -- "$_analytics_config/" "$_analytics_local/" "$_analytics_spool/tmp/" "$_analytics_spool/new/"
  [ -z "$_analytics_ephemeral" ] || set -- "$_analytics_spool/new/" # which lies in the others
  for _analytics_file; do
    _analytics_nearest "$_analytics_file"
    [ -d "$_analytics_home" ] && [ -d "$_analytics_there/." ] && [ -w "$_analytics_there" ] && _analytics_is_ours ||
      _analytics_no storage "can't store anything in ${_analytics_file%/}" || return
  done
}

_analytics_is_ours() { # for root (sudo) only what is root's; of the memory, where anybody may write, only our folder
  if [ -n "$_analytics_ephemeral" ]; then
    [ ! -e "${_analytics_start%/*}" ] && [ ! -L "${_analytics_start%/*}" ] ||
      [ -n "$(find "${_analytics_start%/*}" -prune -type d -user "$(id -u)")" ]
  else # shellcheck disable=SC3067 # where -O is unknown, the others answer
    [ -O "$_analytics_there" ] || [ "$(id -u)" != 0 ] || [ -n "$(find "$_analytics_there" -prune -user 0)" ]
  fi
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
  set -- "$(sed 's/^[^ ]* [^ ]* [^ ]*//; s/$/ /' "$_analytics_local/breaker")" # or it has just gone
  [ -z "$1" ] || printf '%s\n' "$1" | grep -Fqve " ${_analytics_version-} " ||
    _analytics_no endpoint 'it is gone for good (HTTP 410), until the tool is upgraded'
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
