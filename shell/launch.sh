#!/bin/sh
# launch.sh: starts a tool in a container; what a maintainer publishes, so that a user types
#
#   bash <(curl -s https://example.org/local.sh) deploy --image=example/mytool
#
# A worked example in the manner of docker-locust's local.sh: copy it, and change what is yours. It is the second half
# of the file that is published. The first is the library with the tool's manifest in it:
#
#   cli-analytics shell analytics.toml --out local.sh && cat launch.sh >> local.sh
#
{ # One brace around all of it: of a download that was cut off nothing runs.

VERSION=1.2.3 # of the tool, for its events

help() {
  cat <<'END'
usage: local.sh deploy [OPTION]... [--] [ARGUMENT]...   start a container, wait for its end, exit with its status
       local.sh stop --name=NAME                        end a container that has that name
       local.sh analytics status|on|off                 what is sent about this, and whether

  --image=IMAGE    what to start; asked for on a terminal
  --compose=FILE   start a service of this compose file instead; a compose.yaml that lies here is found without it
  --service=NAME   which one; else the first
  --name=NAME      of the container; with compose, of the project
  --options=WORDS  more options for `docker run`
END
}

main() {
  { true 4<&0; } 2>/dev/null || exec </dev/null # it was started without one
  set -f # words are split here and there, never patterns
  image='' file='' service='' name='' options='' act=${1-help}
  [ $# = 0 ] || shift
  while [ $# -gt 0 ]; do
    case $1 in
      --image=*) image=${1#*=} ;;
      --compose=*) file=${1#*=} ;;
      --service=*) service=${1#*=} ;;
      --name=*) name=${1#*=} ;;
      --options=*) options="$options ${1#*=}" ;;
      --) shift; break ;;
      -*) refuse "there is no option $1" ;;
      *) break ;;
    esac
    shift
  done
  case $act in
    deploy) deploy "$@" ;;
    stop) [ -n "$name" ] || refuse 'which one? --name=NAME'; docker stop "$name" ;;
    analytics) choose "${1-status}" ;;
    help | -h | --help) help ;;
    *) refuse "there is no command $act" ;;
  esac
}

refuse() { # WHY
  printf '%s\n' "$1" >&2
  help >&2
  exit 2
}

choose() { # status, on or off
  case $1 in status | on | off) "analytics_$1" ;; *) refuse "there is no analytics $1" ;; esac
}

deploy() { # [ARGUMENT]...
  if [ -n "$file" ] || [ -z "$image" ]; then find_service; fi
  [ -n "$service" ] || ask_for_image
  # shellcheck disable=SC2034 # the library reads it: how to say no, for the notice
  [ ! -f "$0" ] || analytics_commands="sh $0 analytics"
  analytics_begin "$VERSION"
  # shellcheck disable=SC2034 # and this: what reports show
  analytics_command=deploy
  mark=mytool.launch=$$.$(date +%s) terminal=''
  # shellcheck disable=SC2046,SC2086 # they are several words, or none
  if [ -n "$service" ]; then
    [ -t 0 ] && [ -t 1 ] || terminal=-T
    set -- $compose run --rm $terminal --label "$mark" $(analytics_docker_args) $options "$service" "$@"
  else
    [ ! -t 0 ] || [ ! -t 1 ] || terminal=--tty
    set -- docker run --rm --interactive $terminal ${name:+--name "$name"} --label "$mark" $(analytics_docker_args) \
      $options "$image" "$@"
  fi
  status=0
  analytics_run start "$@" || status=$?
  # shellcheck disable=SC2046 # one word each
  if [ "$status" -gt 128 ] || [ -n "$signals" ]; then docker rm --force $(ours --all) >/dev/null 2>&1; fi
  # shellcheck disable=SC2086
  [ -z "$service" ] || [ -n "$before" ] || $compose down >/dev/null 2>&1
  analytics_end
  return "$status"
}

find_service() { # in a compose file
  for found in compose.yaml compose.yml docker-compose.yaml docker-compose.yml; do
    [ -n "$file" ] || [ ! -f "$found" ] || file=$found
  done
  [ -n "$file" ] || return 0
  export COMPOSE_FILE="$file"
  [ -z "$name" ] || export COMPOSE_PROJECT_NAME="$name"
  compose=docker-compose
  ! docker compose version >/dev/null 2>&1 || compose='docker compose'
  # shellcheck disable=SC2086
  [ -n "$service" ] || service=$($compose config --services | head -n 1)
  [ -n "$service" ] || exit 2
  before=$($compose ps --quiet 2>/dev/null) # what ran before stays
}

ask_for_image() {
  if [ -z "$image" ] && [ -t 0 ] && [ -t 2 ]; then
    printf 'Image: ' >&2
    read -r image
  fi
  [ -n "$image" ] || refuse 'which image? --image=IMAGE'
}

# A shell that waits for a command passes signals on; one that runs it in the foreground does not. What is not run in
# the foreground has no stdin, unless it is handed one.
start() { # COMMAND...
  signals='' child=''
  for signal in HUP INT QUIT TERM; do
    # shellcheck disable=SC2064 # it is this one
    trap "pass_on $signal" "$signal"
  done
  { "$@" <&4 4<&- & } 4<&0
  child=$! code=255 seen=-
  for signal in $signals; do pass_on "$signal"; done # which came before there was anybody to pass them on to
  until [ "$seen" = "$signals" ] || [ "$code" -le 128 ]; do # a wait that was interrupted says more than 128
    seen=$signals code=0
    wait "$child" || code=$?
  done
  return "$code"
}

pass_on() { # SIGNAL, unless it came from a terminal, which tells everybody
  signals="$signals $1"
  [ "$1" = TERM ] || ! { true >/dev/tty; } 2>/dev/null || return 0
  # shellcheck disable=SC2046 # one word each
  until [ -z "$child" ] || docker kill --signal "$1" $(ours) >/dev/null 2>&1; do # it is being started, or has ended
    kill -0 "$child" 2>/dev/null || return 0
    sleep 1
  done
}

ours() { docker ps --quiet --filter "label=$mark" "$@"; }

main "$@"
} # The end.
