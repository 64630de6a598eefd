# sender.sh: sends what waits, in the background, with curl or GNU wget. The fourth part of cli-analytics.sh.
# What claims.py, delivery.py, breaker.py and log.py do; shell-*/ in the spool is what one sender has in its hands.
# shellcheck shell=sh disable=SC2010,SC2012,SC2015,SC2044,SC2046,SC2086,SC2154 # as in cli-analytics.sh

_analytics_end() {
  trap '' HUP # here already: the terminal of a script that ends may close at once
  _analytics_decide && [ -z "$_analytics_mounted" ] && ! _analytics_debug &&
    _analytics_route || return
  set -- "$_analytics_spool"/new/*.json "$_analytics_spool"/shell-*
  [ -e "$1" ] || [ -e "${2-}" ] || return
  _analytics_seconds=10
  if [ -n "$_analytics_deployed$_analytics_handed" ]; then # nobody outlives a container
    _analytics_seconds=0.5
    _analytics_send
  else
    case ${KSH_VERSION-} in # ksh93 keeps a copy of what exec closes, other shells of what a redirection does
      Version*) ulimit -f "$(ulimit -f)" # it forks for that, and nobody waits for a child of a child
        { _analytics_let_go && _analytics_send; } 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & ;;
      *) { _analytics_let_go && exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- && _analytics_send; } & ;;
    esac
  fi
}

_analytics_let_go() { # of all that the caller has open; above 9 only bash can say so
  [ -n "${BASH_VERSION-}" ] || return 0
  for _analytics_file in /proc/self/fd/??*; do
    case ${_analytics_file##*/} in *[!0-9]*) ;; *) eval "exec ${_analytics_file##*/}>&-" ;; esac
  done
}

_analytics_route() { # the organization's endpoint, or the manifest's where it has no other
  _analytics_url=$_analytics_manifest_url _analytics_key=$_analytics_manifest_key
  _analytics_sink=$_analytics_manifest_sink
  _analytics_strip "${CLI_ANALYTICS_ENDPOINT-}"
  if [ -n "$_analytics_word" ]; then
    _analytics_url=${_analytics_word%"${_analytics_word##*[!/]}"} _analytics_key=$_analytics_own_key
    _analytics_sink=$(printf 'segment\000%s\000write_key=%s' "$_analytics_url" "$_analytics_tool" | sha256sum)
    _analytics_sink=segment-$(printf '%.12s' "$_analytics_sink")
  fi
  case $_analytics_url in
    *[!A-Za-z0-9:/._~%+=,-]*) return 1 ;;
    https://[A-Za-z0-9_]*) _analytics_scheme=https ;;
    http://127.0.0.1 | http://127.0.0.1[:/]* | http://localhost | http://localhost[:/]*) _analytics_scheme=http ;;
    *) return 1 ;;
  esac
}

_analytics_send() {
  command -v curl >/dev/null || case $(wget --version) in *GNU*) ;; *) return ;; esac
  cd "$_analytics_spool" && _analytics_uuid || return
  for _analytics_own in $(find . -path './shell-*' -prune -type d -mmin +1); do # of the killed: a batch changes it
    _analytics_put_back
  done
  _analytics_own=shell-${_analytics_uuid%%-*} _analytics_gate=$(_analytics_forms)
  [ "$_analytics_rotate" = 0 ] ||
    find "$_analytics_config/client-id" -mtime "+$((_analytics_rotate - 1))" -exec rm -f {} +
  while _analytics_decide && _analytics_waits && _analytics_route && _analytics_is_due && _analytics_claim &&
    _analytics_post && [ "$_analytics_seconds" = 10 ]; do :; done
  cd "$_analytics_spool" || return
  # Who said no meanwhile wants it gone.
  if _analytics_decide; then _analytics_put_back; else rm -rf "$_analytics_own"; fi
}

_analytics_put_back() {
  mv "$_analytics_own"/*.json new
  [ ! -s "$_analytics_own/dropped" ] || cat "$_analytics_own/dropped" >>dropped
  rm -f "$_analytics_own/dropped" "$_analytics_own/lines" "$_analytics_own/body" "$_analytics_own/answer" \
    "$_analytics_own/wgetrc"
  rmdir "$_analytics_own"
}

_analytics_waits() {
  set -- "$_analytics_spool"/new/*.json
  [ -e "$1" ]
}

_analytics_claim() { # the next events, oldest first, and the number of those dropped, as are those older than a week
  cd "$_analytics_spool" && mkdir -p "$_analytics_own" || return
  find new -name '*.json' -mtime +6 -exec rm -f {} + -exec printf .%.0s {} + >"$_analytics_own/dropped"
  [ ! -f dropped ] || { cat dropped >>"$_analytics_own/dropped" && rm -f dropped; }
  mv $(ls new | sed -n '/^[0-9]*-[0-9a-f]*-[0-9]*\.json$/s|^|new/|p; 200q') "$_analytics_own"
  find "$_analytics_own" ! -type f ! -type d -exec rm -f {} + # a container can make a pipe, to be read for ever
  cd "$_analytics_own" && set -- *.json && [ -e "$1" ]
}

_analytics_post() { # what has the form of something declared, and only that; true where it went well
  set -- *.json
  grep -hEx -e "$_analytics_gate" -- "$@" >lines
  _analytics_count=$(grep -c '' lines) _analytics_note=''
  if [ "$_analytics_count" != $# ]; then # Python can mend the others
    mv $(grep -LEx -e "$_analytics_gate" -- "$@") ../new
    [ -s lines ] || return
  fi
  [ ! -s dropped ] || _analytics_note="1s/\"context\":{/&\"dropped_events\":$(($(wc -c <dropped))),/;"
  _analytics_now=$(date -u '+%s %Y-%m-%dT%H:%M:%SZ')
  {
    printf '{"batch":['
    sed "$_analytics_note"'s/}$/,"request_ip":"0.0.0.0"}/;$!s/$/,/' lines | tr -d '\n'
    printf '],"sentAt":"%s"}' "${_analytics_now#* }"
  } >body
  if command -v curl >/dev/null; then _analytics_curl; else _analytics_wget; fi
  _analytics_status=$(sed -n '/^ *HTTP/h; $!d; g; s|^ *HTTP/[^ ]* *\([0-9]*\).*|\1|p' answer) # a proxy answers first
  _analytics_wish=$(sed -n 's/^ *[Rr][Ee][Tt][Rr][Yy]-[Aa][Ff][Tt][Ee][Rr]: *\([0-9]*\).*/\1/p' answer)
  case ${_analytics_status:=0} in
    2??) _analytics_outcome=DELIVERED ;;
    401 | 403 | 404 | 408 | 425 | 429 | [!4]*) _analytics_outcome=RETRY ;;
    *) _analytics_outcome=REJECTED ;;
  esac
  _analytics_trip
  _analytics_log
  [ "$_analytics_status" != 410 ] || find .. -name '*.json' -exec rm -f {} +
  [ $_analytics_outcome = RETRY ] || rm -f -- *.json || return # what can't be deleted is not sent for ever
  [ $_analytics_outcome = DELIVERED ] && rm -f dropped
}

_analytics_curl() { # the key over its standard input, out of the list of processes
  {
    printf 'header = "Authorization: Basic %s"\n' "$_analytics_key"
    [ "$_analytics_scheme" = https ] || printf 'noproxy = "*"\n'
  } | _analytics_bounded curl -q -s -K - --proto "=$_analytics_scheme" --connect-timeout 5 \
    --max-time "$_analytics_seconds" -A "cli-analytics/$_analytics_library" -H 'Content-Type: application/json' \
    -H 'X-IP-Policy: remove' -H Expect: -D answer -o /dev/null --data-binary @body "$_analytics_url/v1/batch"
}

_analytics_wget() { # GNU's; others can't be given a key unseen, or don't check certificates
  {
    printf 'header = Authorization: Basic %s\n' "$_analytics_key"
    [ "$_analytics_scheme" = https ] || printf 'use_proxy = off\n'
  } >wgetrc
  set -- wget --config=wgetrc --no-hsts --no-netrc -q -S -O /dev/null -t 1 -T 5 --max-redirect=0 \
    -U "cli-analytics/$_analytics_library" --header='Content-Type: application/json' --header='X-IP-Policy: remove' \
    --post-file=body "$_analytics_url/v1/batch"
  _analytics_bounded "$@" 2>answer
}

_analytics_bounded() { # by what bounds look-ups too, where there is such a command
  if command -v timeout >/dev/null; then timeout "$_analytics_seconds" "$@"; else "$@"; fi
}

# breaker.py: its file has a line for each sink that is in trouble: failures, not before when, and versions to stop

_analytics_is_due() {
  _analytics_others='' _analytics_file=$_analytics_local/breaker
  set --
  if [ -s "$_analytics_file" ]; then
    _analytics_others=$(grep -v "^$_analytics_sink: " "$_analytics_file")
    set -- $(sed -n "s/^$_analytics_sink: //p" "$_analytics_file")
  fi
  case "${1-} ${2-}" in ' '* | *' ' | *[!0-9\ ]*) set -- 0 0 ;; esac # all went well, or it is torn
  _analytics_failures=$1 _analytics_until=$2
  shift 2
  _analytics_gone=$*
  case " $_analytics_gone " in *" $_analytics_version "*) return 1 ;; esac
  [ "$_analytics_until" != 0 ] || return 0
  set -- $((_analytics_until - $(date +%s))) # a pause of more than a day was written by another clock
  [ "$1" -le 0 ] || [ "$1" -gt 86400 ]
}

_analytics_trip() { # what the answer means for the next attempt
  _analytics_is_due
  set -- 86400
  [ "$_analytics_failures" -gt 10 ] || set -- $((60 << _analytics_failures))
  [ ${#_analytics_wish} -lt 6 ] || _analytics_wish=86400
  [ "$1" -ge "${_analytics_wish:-0}" ] || set -- "$_analytics_wish"
  [ "$1" -le 86400 ] || set -- 86400
  case $_analytics_status in
    2??) set -- ;;
    410) set -- 0 0 $_analytics_gone "$_analytics_version" ;;
    *) set -- $((_analytics_failures + 1)) $((${_analytics_now%% *} + $1)) $_analytics_gone ;;
  esac
  if [ $# = 0 ] && [ -z "$_analytics_others" ]; then rm -f "$_analytics_local/breaker"; else
    _analytics_replace "$_analytics_local/breaker" _analytics_breakers "$@"
    [ -n "$_analytics_others" ] || touch -d "@$2" "$_analytics_local/breaker" # its time spares Python a look into it
  fi
}

_analytics_breakers() { # FAILURES UNTIL [VERSION]...
  [ -z "$_analytics_others" ] || printf '%s\n' "$_analytics_others"
  [ $# = 0 ] || printf '%s: %s\n' "$_analytics_sink" "$*"
}

_analytics_log() { # for the user to read, unless they said no meanwhile
  _analytics_decide || return
  _analytics_word='"sent": {"requests": \([0-9]*\), "events": \([0-9]*\), "bytes": \([0-9]*\)}}'
  set -- "$_analytics_outcome" $(wc -c <body) $(
    sed -n '$s/.*'"$_analytics_word"'$/\1 \2 \3/p' "$_analytics_local/sent.ndjson"
  ) 0 0 0
  [ "$1" != DELIVERED ] || set -- "$1" "$2" $(($3 + 1)) $(($4 + _analytics_count)) $(($5 + $2))
  _analytics_replace "$_analytics_local/sent.ndjson" _analytics_log_lines "$@"
}

_analytics_log_lines() { # DELIVERY BYTES, and what was sent so far
  tail -c 200000 "$_analytics_local/sent.ndjson"
  printf '{"sent_at": "%s", "to": "%s", "delivery": "%s", "status": %s, "retry_after": %s, ' "${_analytics_now#* }" \
    "$_analytics_url/v1/batch" "$1" "$_analytics_status" "${_analytics_wish:-0}"
  printf '"problem": "", "events": %s, "bytes": %s, "body": "' "$_analytics_count" "$2"
  sed 's/[\\"]/\\&/g' body
  printf '", "sent": {"requests": %s, "events": %s, "bytes": %s}}\n' "$3" "$4" "$5"
}
