#!/bin/sh
# Prepares a machine for Coracle, then runs a command: system packages, node modules, the build and, with
# --engine, a Docker engine. It needs only sh, Node and npm, and ends in a fraction of a second where all is in
# place.
#
#   sh deploy/setup.sh [--engine] [--compose] [--kubectl] [COMMAND [ARGUMENT...]]
#
#   --engine   a Docker engine answers while COMMAND runs. An engine that this script started is stopped when
#              the last command that needs it has ended; any other is never touched.
#   --compose  docker-compose, too
#   --kubectl  kubectl, too, where the system has a package of it
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
engine_run=/run/coracle-engine
engine_deadline_seconds=60
engine= compose= kubectl=

main() {
  while :; do
    case ${1-} in
      --engine) engine=yes ;;
      --compose) compose=yes ;;
      --kubectl) kubectl=yes ;;
      *) break ;;
    esac
    shift
  done
  cd "$root"
  check_node
  install_packages
  install_modules
  build
  [ $# -gt 0 ] || set -- true
  if [ -n "$engine" ]; then
    with_engine "$@"
  else
    exec "$@"
  fi
}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$@"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

check_node() {
  has node || fail 'Node is missing: install Node 20.19 or newer.'
  has npm || fail 'npm is missing: install it with Node.'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node $(node --version) is too old: 20.19 or newer is needed."
}

# ---- system packages ----------------------------------------------------------------------------------------

install_packages() {
  # Debian has most of these in /sbin.
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  export PATH
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086 # a list of words, on one line
  missing=$(echo $missing)
  has apt-get ||
    fail "these are missing, and only Debian's and Ubuntu's apt-get is known here; install what your system calls: $missing"
  [ "$(id -u)" = 0 ] ||
    fail "not root, so what is missing cannot be installed. Run this as root, or: sudo apt-get install $missing"
  log=$(mktemp)
  apt_get update >"$log" 2>&1 || apt_failed
  # A second round: the package of a program may be known only with the lists, or after the first round.
  for round in 1 2; do
    missing=$(missing_packages)
    # shellcheck disable=SC2086
    set -- $missing
    [ $# -gt 0 ] || break
    say "installing $* with apt-get"
    apt_get install -y --no-install-recommends "$@" >"$log" 2>&1 || apt_failed
  done
  rm -f "$log"
  missing=$(missing_packages)
  # shellcheck disable=SC2086
  [ -z "$missing" ] || fail "still missing after the installation:" $missing
}

apt_failed() {
  tail -n 30 "$log" >&2
  rm -f "$log"
  fail 'apt-get failed, see above'
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null; }

# Debian's and Ubuntu's packages of the missing programs.
missing_packages() {
  has etcd || echo etcd-server
  has dockerd || echo docker.io
  # Newer releases have the client in a package of its own.
  if ! has docker && has dockerd; then echo docker-cli; fi
  has ip || echo iproute2
  has nft || echo nftables
  has iptables || echo iptables
  has nsenter || echo util-linux
  has crun || echo crun
  is_static_busybox || echo busybox-static
  if [ -n "$compose" ] && ! has docker-compose && ! docker compose version >/dev/null 2>&1; then echo docker-compose; fi
  if [ -n "$kubectl" ] && ! has kubectl; then kubectl_package; fi
}

# Debian has kubectl under one name or the other; Ubuntu has none.
kubectl_package() {
  for package in kubectl kubernetes-client; do
    if apt_knows "$package"; then
      echo "$package"
      return 0
    fi
  done
  say 'kubectl is not there and apt-get has no package of it: what needs it is left out'
}

apt_knows() { has apt-cache && apt-cache show --no-all-versions "$1" 2>/dev/null | grep -q '^Package:'; }

# An image of busybox alone needs a static one.
is_static_busybox() {
  has busybox || return 1
  has ldd || return 0
  ! ldd "$(command -v busybox)" >/dev/null 2>&1
}

# ---- node modules and the build -----------------------------------------------------------------------------

install_modules() {
  if node deploy/setup/modules-current.mjs; then return 0; fi
  say 'installing node modules with npm ci'
  npm ci --no-audit --no-fund --loglevel=error </dev/null >&2 || fail 'npm ci failed, see above'
}

build() {
  stamp=dist/.built
  if [ -f "$stamp" ] && [ -d shared/generated ] && [ -z "$(newer_sources "$stamp")" ]; then return 0; fi
  say 'building'
  # The stamp has the time before the build, so that a change during the build is built again.
  before=$(mktemp)
  if ! npm run -s build </dev/null >&2; then
    rm -f "$before"
    fail 'the build failed'
  fi
  mv "$before" "$stamp"
}

newer_sources() {
  find package-lock.json tsconfig.json tsconfig.build.json proto shared control-plane agent cli deploy \
    -path shared/generated -prune -o -newer "$1" \( -name '*.ts' -o -name '*.proto' -o -name '*.json' \) -print |
    head -n 1
}

# ---- the Docker engine --------------------------------------------------------------------------------------

# Runs the command with an engine. Every user of an engine that setup started holds a shared lock; the last one stops it.
with_engine() {
  if engine_answers && ! [ -e "$engine_run/pid" ]; then exec "$@"; fi
  [ "$(id -u)" = 0 ] || fail 'no Docker engine answers, and only root can start one'
  mkdir -p "$engine_run"
  exec 9>"$engine_run/users" 8>"$engine_run/change"
  flock 8
  engine_answers || start_engine
  flock -s 9
  flock -u 8

  status=0
  child=
  # A signal is passed to the command; the engine is stopped after it.
  trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true' INT TERM HUP
  # A command in the background would get an empty standard input.
  exec 7<&0
  "$@" <&7 7<&- 8>&- 9>&- &
  child=$!
  while :; do
    status=0
    wait "$child" || status=$?
    kill -0 "$child" 2>/dev/null || break
  done
  flock 8
  flock -u 9
  if flock -n 9; then stop_engine; fi
  exit "$status"
}

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

start_engine() {
  say 'starting a Docker engine'
  setsid dockerd >"$engine_run/dockerd.log" 2>&1 </dev/null 7<&- 8>&- 9>&- &
  pid=$!
  echo "$pid $(start_time "$pid")" >"$engine_run/pid"
  tries=0
  while ! engine_answers; do
    tries=$((tries + 1))
    if ! kill -0 "$pid" 2>/dev/null || [ "$tries" -ge $((engine_deadline_seconds * 10)) ]; then
      tail -n 20 "$engine_run/dockerd.log" >&2
      stop_engine
      fail 'the Docker engine did not start, see above'
    fi
    sleep 0.1
  done
}

# Stops the engine that the file names, if it is still that process.
stop_engine() {
  [ -f "$engine_run/pid" ] || return 0
  read -r pid started <"$engine_run/pid" || true
  rm -f "$engine_run/pid"
  [ -n "${started-}" ] && [ "$(start_time "$pid")" = "$started" ] || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  tries=0
  while [ "$(start_time "$pid")" = "$started" ] && [ "$tries" -lt 200 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  [ "$tries" -lt 200 ] || kill -KILL "$pid" 2>/dev/null || true
}

# A process's start in clock ticks since the boot: with the pid it identifies the process. Empty when there is none.
start_time() {
  [ -r "/proc/$1/stat" ] || return 0
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # The program's name, in parentheses, may contain blanks.
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ "$1" = Z ] || echo "${20}"
}

main "$@"
