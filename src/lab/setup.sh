#!/bin/sh
# Makes this machine ready for `npm run demo` and `npm test`: the npm dependencies, a Docker engine, and what the machine
# image is made with. Every step says what it does and why; what is there already is left as it is.
# Exit code 3: something is missing that only you can install; the last line says what.
set -eu
cd "$(dirname "$0")/../.."

say() { printf '[setup] %s\n' "$*"; }
stop() { printf '[setup] Cannot go on: %s\n' "$*" >&2; exit 3; }
have() { command -v "$1" >/dev/null 2>&1; }
engine_answers() { have docker && docker info >/dev/null 2>&1; }

# --- npm dependencies, Node 24 among them ------------------------------------------------------------------------------

dependencies_are_current() {
  [ -e node_modules/.package-lock.json ] && [ -z "$(find package-lock.json -newer node_modules/.package-lock.json)" ]
}

install_dependencies() {
  if dependencies_are_current; then say 'npm dependencies: present.'; return; fi
  say 'npm ci: installs what package-lock.json lists into ./node_modules, Node 24 among it (a minute).'
  # npm warns of packages that want a newer Node than the one it runs on; they get it.
  npm ci --no-audit --no-fund --loglevel=error
}

# npm 9, which Debian 13 has, takes away the link to our Node along with the package for the other kind of processor.
link_node() {
  [ ! -e node_modules/.bin/node ] || return 0
  (cd node_modules/.bin && ln -sf ../node-linux-*/bin/node node)
}

# --- Debian packages ---------------------------------------------------------------------------------------------------

# install PURPOSE PACKAGE...
install() {
  purpose=$1; shift
  have apt-get || stop "$* is missing, for $purpose. This is not Debian or Ubuntu; install it, then run this again."
  [ "$(id -u)" = 0 ] || stop "$* is missing, for $purpose. Run as root: apt-get install --no-install-recommends $*"
  say "apt-get install $*: for $purpose."
  export DEBIAN_FRONTEND=noninteractive
  # The lists of a fresh machine are empty or old; a third-party source that fails must not end it all here.
  apt-get -qq update || say 'apt-get update had problems; going on with the lists that are there.'
  apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends -y "$@" || stop "apt-get could not install $*."
}

# --- the Docker engine -------------------------------------------------------------------------------------------------

log=/var/log/cellwise-dockerd.log

ready_engine() {
  if engine_answers; then say 'Docker engine: answers; left as it is.'; return; fi
  [ -z "${DOCKER_HOST:-}" ] || stop "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST. Start it, or unset DOCKER_HOST."
  if [ "$(id -u)" != 0 ] && have dockerd; then
    stop 'the Docker engine does not answer you. Start it (systemctl start docker), or add yourself to the group docker.'
  fi
  have dockerd && have iptables || install 'the lab machines, which are containers' docker.io iptables
  # Part of docker.io up to Debian 12, a package of its own since.
  have docker || install 'the docker command' docker-cli
  engine_answers || start_engine
  say "Docker engine: answers ($(docker version --format '{{.Server.Version}}'))."
}

start_engine() {
  if [ -d /run/systemd/system ]; then
    say 'systemctl start docker'
    systemctl start docker || stop 'docker.service does not start; see: journalctl -u docker'
    dockerd=
  else
    say "dockerd: started in the background, as there is no systemd here; its log is $log."
    setsid dockerd >"$log" 2>&1 </dev/null &
    dockerd=$!
  fi
  wait_for_engine
}

wait_for_engine() {
  waited=0
  until engine_answers; do
    if [ -n "$dockerd" ] && ! kill -0 "$dockerd" 2>/dev/null; then
      tail -n 10 "$log" >&2
      stop "dockerd ended right after its start; its last lines are above, all of them in $log."
    fi
    [ "$waited" -lt 60 ] || stop 'the Docker engine did not answer within 60 s.'
    [ $((waited % 5)) -ne 4 ] || say "waiting for the Docker engine ($((waited + 1)) s)"
    sleep 1
    waited=$((waited + 1))
  done
}

# --- what the machine image is made with -------------------------------------------------------------------------------

ready_image_tool() {
  if [ -n "$(docker image ls -q cellwise-machine)" ] || have mmdebstrap; then return; fi
  install 'making the image of the lab machines from Debian packages' mmdebstrap
}

# Each systemd takes several inotify instances and all machines share the kernel's limit: 128 is enough for five.
raise_inotify_limit() {
  limit=/proc/sys/fs/inotify/max_user_instances
  [ "$(cat "$limit")" -lt 1024 ] || return 0
  if echo 1024 2>/dev/null >"$limit"; then
    say 'fs.inotify.max_user_instances: raised to 1024 until the next boot (every lab machine runs a systemd).'
  else
    say 'fs.inotify.max_user_instances could not be raised to 1024: more than a handful of lab machines may not boot.'
  fi
}

install_dependencies
link_node
ready_engine
ready_image_tool
raise_inotify_limit
