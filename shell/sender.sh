# sender.sh: sends what waits, in the background, with curl or GNU wget. The third part of cli-analytics.sh.
# What claims.py, delivery.py, breaker.py and log.py do; shell-<pid>/ in the spool is what one sender has in its hands.
# shellcheck shell=sh disable=SC2015,SC2154 # as in cli-analytics.sh

_analytics_end() {
  _analytics_decide && [ -z "$_analytics_mounted" ] && ! _analytics_debug &&
    _analytics_route || return
  set -- "$_analytics_spool"/new/*.json "$_analytics_spool"/shell-*
  [ -e "$1" ] || [ -e "${2-}" ] || return
  if [ -n "$_analytics_handed" ]; then # nobody outlives a container
    _analytics_seconds=0.5
    _analytics_send
  else
    _analytics_seconds=10
    case ${KSH_VERSION-} in # ksh93 keeps a copy of what exec closes, other shells of what a redirection does
      Version*) ulimit -f "$(ulimit -f)" # it forks for that, and nobody waits for a child of a child
        { _analytics_let_go && _analytics_send; } 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & ;;
      *) { _analytics_let_go && exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- && _analytics_send; } & ;;
    esac
  fi
}

_analytics_let_go() { # of the terminal and of all that the caller has open; above 9 only bash can say so
  trap '' HUP
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
  read -r _analytics_pid _analytics_word </proc/self/stat || _analytics_pid=$(exec sh -c 'echo $PPID')
  for _analytics_own in "$_analytics_spool"/shell-*; do # of senders that were killed
    read -r _analytics_word <"/proc/${_analytics_own##*-}/stat" || _analytics_word=''
    case $_analytics_word in *') Z '*) ;; *) ! kill -0 "${_analytics_own##*-}" || continue ;; esac
    _analytics_put_back
  done
  _analytics_own=$_analytics_spool/shell-$_analytics_pid _analytics_gate=$(_analytics_forms)
  [ "$_analytics_rotate" = 0 ] ||
    find "$_analytics_config/client-id" -mtime "+$((_analytics_rotate - 1))" -exec rm -f {} +
  while _analytics_decide && _analytics_route && _analytics_is_due && _analytics_claim && _analytics_post &&
    [ -z "$_analytics_handed" ]; do :; done
  cd / || return
  # Who said no meanwhile wants it gone.
  if _analytics_decide; then _analytics_put_back; else rm -rf "$_analytics_own"; fi
}

_analytics_put_back() {
  mv "$_analytics_own"/*.json "$_analytics_spool/new"
  [ ! -f "$_analytics_own/dropped" ] || cat "$_analytics_own/dropped" >>"$_analytics_spool/dropped"
  rm -f "$_analytics_own/dropped" "$_analytics_own/lines" "$_analytics_own/body" "$_analytics_own/answer" \
    "$_analytics_own/wgetrc"
  rmdir "$_analytics_own"
}

_analytics_claim() { # the next events, oldest first; what is older than a week is dropped
  mkdir -p "$_analytics_own" && cd "$_analytics_spool/new" || return
  set -- $(($(date +%s) - 604800)) 0
  for _analytics_file in [0-9]*-*-*.json; do
    _analytics_number=${_analytics_file##*-} _analytics_word=${_analytics_file%%???-*}
    case ${_analytics_number%.json}$_analytics_word in *[!0-9]*) continue ;; esac
    if [ "$_analytics_word" -lt "$1" ]; then
      rm "$_analytics_file" && printf . >>"$_analytics_spool/dropped"
    elif [ $# -lt 502 ] && [ $(($2 + ${_analytics_number%.json})) -lt 450000 ]; then
      _analytics_number=$(($2 + ${_analytics_number%.json})) _analytics_rest=$1
      shift 2
      set -- "$_analytics_rest" "$_analytics_number" "$@" "$_analytics_file"
    fi
  done
  shift 2
  [ $# = 0 ] || mv "$@" "$_analytics_own"
  cd "$_analytics_own" && set -- *.json && [ -e "$1" ] || return
  [ ! -e "$_analytics_spool/dropped" ] || mv "$_analytics_spool/dropped" . || :
}

_analytics_post() { # what has the form of something declared, and only that; true where it went well
  set -- *.json
  grep -hEx -e "$_analytics_gate" -- "$@" >lines
  _analytics_rest='' _analytics_count=$(grep -c '' lines)
  if [ "$_analytics_count" != $# ]; then # Python can mend the others
    # shellcheck disable=SC2013 # names of ours have no blanks
    for _analytics_file in $(grep -LEx -e "$_analytics_gate" -- "$@"); do
      mv "$_analytics_file" "$_analytics_spool/new"
    done
    [ -s lines ] || return
  fi
  [ ! -s dropped ] || _analytics_rest="1s/\"context\":{/&\"dropped_events\":$(($(wc -c <dropped))),/;"
  _analytics_now=$(date -u '+%s %Y-%m-%dT%H:%M:%SZ')
  {
    printf '{"batch":['
    sed "$_analytics_rest"'s/}$/,"request_ip":"0.0.0.0"}/;$!s/$/,/' lines | tr -d '\n'
    printf '],"sentAt":"%s"}' "${_analytics_now#* }"
  } >body
  if command -v curl >/dev/null; then _analytics_curl; else _analytics_wget; fi
  _analytics_status=0 _analytics_wish=0
  while read -r _analytics_name _analytics_word _analytics_rest; do
    case $_analytics_name in
      HTTP/*) _analytics_status=${_analytics_word%%[!0-9]*} ;;
      [Rr][Ee][Tt][Rr][Yy]-[Aa][Ff][Tt][Ee][Rr]:) _analytics_wish=${_analytics_word%%[!0-9]*} ;;
    esac
  done <answer
  case ${_analytics_status:=0} in
    2??) _analytics_outcome=DELIVERED ;;
    401 | 403 | 404 | 408 | 425 | 429) _analytics_outcome=RETRY ;;
    4??) _analytics_outcome=REJECTED ;;
    *) _analytics_outcome=RETRY ;;
  esac
  _analytics_trip
  _analytics_log
  [ $_analytics_outcome = RETRY ] || rm -f -- *.json
  [ "$_analytics_status" != 410 ] || rm -f "$_analytics_spool"/*/*.json "$_analytics_spool"/*/*/*.json
  [ $_analytics_outcome = DELIVERED ] && rm -f dropped
}

_analytics_curl() { # the key over its standard input, out of the list of processes
  {
    printf 'header = "Authorization: Basic %s"\n' "$_analytics_key"
    [ "$_analytics_scheme" = https ] || printf 'noproxy = "*"\n'
  } | curl -q -s -K - --proto "=$_analytics_scheme" --connect-timeout 5 --max-time "$_analytics_seconds" \
    -A "cli-analytics/$_analytics_library" -H 'Content-Type: application/json' -H 'X-IP-Policy: remove' -H Expect: \
    -D answer -o /dev/null --data-binary @body "$_analytics_url/v1/batch"
}

_analytics_wget() { # GNU's; others can't be given a key unseen, or don't check certificates
  {
    printf 'header = Authorization: Basic %s\n' "$_analytics_key"
    [ "$_analytics_scheme" = https ] || printf 'use_proxy = off\n'
  } >wgetrc
  set -- wget --config=wgetrc --no-hsts --no-netrc -q -S -O /dev/null -t 1 -T 5 --max-redirect=0 \
    -U "cli-analytics/$_analytics_library" --header='Content-Type: application/json' --header='X-IP-Policy: remove' \
    --post-file=body "$_analytics_url/v1/batch"
  if command -v timeout >/dev/null; then timeout "$_analytics_seconds" "$@" 2>answer; else "$@" 2>answer; fi
}

_analytics_read_breaker() { # the line of our sink, and those of others as they are
  _analytics_failures=0 _analytics_not_before=0 _analytics_gone='' _analytics_others=''
  [ -f "$_analytics_local/breaker" ] || return 0
  while read -r _analytics_name _analytics_word _analytics_number _analytics_rest; do
    case "$_analytics_name $_analytics_word$_analytics_number" in
      *' ' | *' '*[!0-9]*) ;; # torn
      "$_analytics_sink: "*)
        _analytics_failures=$_analytics_word _analytics_not_before=$_analytics_number
        _analytics_gone=$_analytics_rest ;;
      *)
        _analytics_word="$_analytics_name $_analytics_word $_analytics_number${_analytics_rest:+ $_analytics_rest}"
        _analytics_others="$_analytics_others$_analytics_word
" ;;
    esac
  done <"$_analytics_local/breaker"
}

_analytics_is_due() {
  _analytics_read_breaker
  case " $_analytics_gone " in *" $_analytics_version "*) return 1 ;; esac
  _analytics_number=$((_analytics_not_before - $(date +%s))) # a pause of more than a day was written by another clock
  [ "$_analytics_number" -le 0 ] || [ "$_analytics_number" -gt 86400 ]
}

_analytics_trip() { # what the answer means for the next attempt
  _analytics_read_breaker
  _analytics_number=60 _analytics_word=0
  case $_analytics_status in
    2??) set -- 0 0 ;;
    410) set -- 0 0 "${_analytics_gone:+$_analytics_gone }$_analytics_version" ;;
    *)
      while [ "$_analytics_word" -lt "$_analytics_failures" ] && [ "$_analytics_number" -lt 86400 ]; do
        _analytics_number=$((_analytics_number * 2)) _analytics_word=$((_analytics_word + 1))
      done
      [ ${#_analytics_wish} -lt 6 ] || _analytics_wish=86400
      [ "$_analytics_number" -ge "${_analytics_wish:-0}" ] || _analytics_number=$_analytics_wish
      [ "$_analytics_number" -le 86400 ] || _analytics_number=86400
      set -- $((_analytics_failures + 1)) $((${_analytics_now%% *} + _analytics_number)) "$_analytics_gone" ;;
  esac
  [ "$1$2${3-}" = 00 ] || _analytics_others="$_analytics_others$_analytics_sink: $1 $2${3:+ $3}
"
  [ -e "$_analytics_local/breaker" ] || [ -n "$_analytics_others" ] || return 0
  if [ -z "$_analytics_others" ]; then rm -f "$_analytics_local/breaker"; else
    # The file's time spares Python a look into it; where touch can't set it, it looks.
    _analytics_replace "$_analytics_local/breaker" printf %s "$_analytics_others" &&
      touch -d "@$2" "$_analytics_local/breaker"
  fi
}

_analytics_log() { # for the user to read, unless they said no meanwhile
  _analytics_decide || return
  _analytics_word='"sent": {"requests": \([0-9]*\), "events": \([0-9]*\), "bytes": \([0-9]*\)}}'
  # shellcheck disable=SC2046 # four numbers, or one where there is no log yet
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
