# Shared by the scripts here: where state lives, one at a time, packages. Sourced, not run.
#
# Services run on loopback, without systemd, and outlive the test that started them; `down` ends them all.
#   RPAR_TEST_STATE   their state, which other users must be able to enter (default /tmp/rpar-services)
set -euo pipefail
umask 022
state=${RPAR_TEST_STATE:-/tmp/rpar-services}
export PATH=$PATH:/usr/sbin:/sbin
self=${0##*/}

say() { printf '%s: %s\n' "$self" "$*"; }
die() { printf '%s: %s\n' "$self" "$*" >&2; exit 1; }

# Tests run at once: whoever comes first starts the services, the others wait here. A daemon must not inherit the lock:
# start it with `9>&-`.
lock() {
    mkdir -p "$state"
    exec 9>"$state/lock"
    flock -w 300 9 || die "another script has held $state/lock for 300 s"
}

# install PROGRAM PACKAGE...: unless the program is there already
install() {
    local program=$1 rc=0
    shift
    ! command -v "$program" >/dev/null || return 0
    [ "$(id -u)" = 0 ] || die "$program is missing; as root this script installs $*"
    say "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    # the packages must not start daemons of their own
    local policy=/usr/sbin/policy-rc.d own=
    [ -e $policy ] || { own=1; printf '#!/bin/sh\nexit 101\n' > $policy; chmod 755 $policy; }
    { apt-get -q -o DPkg::Lock::Timeout=300 update &&
        apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"; } >&2 9>&- || rc=$?
    [ -z "$own" ] || rm -f $policy
    [ $rc = 0 ] || die "$* could not be installed"
}

# until_true SECONDS WHAT COMMAND...: waits for the command to succeed
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ $SECONDS -lt $end ] || die "$what: not within its time"
        sleep 0.1
    done
}

# is_program PID NAME: whether that process runs this program, or Debian's NAME-wlm. A zombie runs none: `kill -0`
# would not tell.
is_program() {
    case $(readlink "/proc/$1/exe" 2>/dev/null) in */"$2"*) return 0 ;; *) return 1 ;; esac
}

# end PIDFILE NAME: ends a daemon, if its pid is still that program
end() {
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    [ -n "$pid" ] && is_program "$pid" "$2" || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 50); do
        is_program "$pid" "$2" || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}
