#!/bin/sh
# A small Torque: installed as qsub, qstat and qdel, it runs jobs as processes of this host and answers in Torque's
# words and exit statuses. STATE/scenario holds words that change what it does:
#   refuse   no such queue            down     the server does not answer     slow     every command takes 30 s
#   unsure   accepts, then loses the connection    hold     jobs stay queued    forget   ended jobs are unknown at once
state=$(dirname "$(dirname "$0")")
jobs=$state/jobs
command=$(basename "$0")
scenario=" $(cat "$state/scenario" 2>/dev/null) "
is() { case $scenario in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
fail() { status=$1; shift; echo "$command: $*" >&2; exit "$status"; }

! is slow || sleep 30
! is down || fail 171 "cannot connect to server login1 (errno=111) Connection refused"

number() { echo "${1%%.*}"; }

submit() {
    name= out= nodes=1 ppn=1
    option() {
        case $1 in
            -N) name=$2 ;;
            -o) out=$2 ;;
            -l) case $2 in
                    nodes=*)
                        nodes=${2#nodes=}
                        case $nodes in *:ppn=*) ppn=${nodes#*:ppn=} nodes=${nodes%%:*} ;; esac ;;
                esac ;;
            -q) [ "$2" != nosuch ] || fail 170 "submit error (Unknown queue MSG=cannot locate queue)" ;;
        esac
    }
    while [ $# -gt 1 ]; do option "$1" "$2"; shift 2; done
    script=$1
    [ -f "$script" ] || fail 1 "script file '$script' cannot be loaded - No such file or directory"
    while read -r mark flag value; do
        [ "$mark" != '#PBS' ] || option "$flag" "$value"
    done < "$script"
    ! is refuse || fail 170 "submit error (Unknown queue MSG=cannot locate queue)"

    mkdir -p "$jobs"
    id=1
    until mkdir "$jobs/$id" 2>/dev/null; do id=$((id + 1)); done
    job=$jobs/$id
    cp "$script" "$job/script"
    echo "${name:-$(basename "$script")}" > "$job/name"
    id -un > "$job/owner"
    n=1
    while [ $n -le "$nodes" ]; do
        p=0
        while [ $p -lt "$ppn" ]; do echo "fake$n"; p=$((p + 1)); done
        n=$((n + 1))
    done > "$job/nodes"
    where=$PWD
    is hold || (
        cd / || exit 1
        export PBS_JOBID="$id.login1" PBS_NODEFILE="$job/nodes" PBS_JOBNAME="$name" PBS_ENVIRONMENT=PBS_BATCH
        exec </dev/null >/dev/null 2>&1
        # the first process tells its pid, as the leader of its own session, and becomes the job
        # shellcheck disable=SC2016
        setsid sh -c 'echo $$ > "$1/pid.new"; mv "$1/pid.new" "$1/pid"; exec bash -l "$1/script"' sh "$job" \
            > "$job/output" 2>&1
        status=$?
        case $out in '') ;; /*) cp "$job/output" "$out" ;; *) cp "$job/output" "$where/$out" ;; esac
        echo $status > "$job/exit.new"
        mv "$job/exit.new" "$job/exit"
    ) 9>&- &
    ! is unsure || fail 1 "End of File"
    echo "$id.login1"
}

letter() {
    if [ -e "$1/exit" ]; then echo C; elif [ -e "$1/pid" ]; then echo R; else echo Q; fi
}

listed() { [ -d "$1" ] && ! { is forget && [ -e "$1/exit" ]; }; }

full() {
    job=$jobs/$(number "$1")
    listed "$job" || { echo "qstat: Unknown Job Id Error $1" >&2; return 153; }
    printf 'Job Id: %s.login1\n' "$(basename "$job")"
    printf '    Job_Name = %s\n' "$(cat "$job/name")"
    printf '    Job_Owner = %s@login1\n' "$(cat "$job/owner")"
    printf '    job_state = %s\n' "$(letter "$job")"
    # long values go on after a tab, wherever they are cut
    printf '    exec_host = %s\n' "$(sort "$job/nodes" | uniq -c | awk '{printf "%s%s/0-%d", (NR>1?"+":""), $2, $1-1}' |
        fold -w 40 | sed '2,$s/^/\t/')"
    [ ! -e "$job/exit" ] || printf '    exit_status = %s\n' "$(cat "$job/exit")"
    printf '    submit_args = -N %s\n\n' "$(cat "$job/name")"
}

status() {
    if [ "${1:-}" = -f ]; then
        shift
        worst=0
        for id; do full "$id" || worst=$?; done
        exit $worst
    fi
    [ -n "$(ls "$jobs" 2>/dev/null)" ] || exit 0
    printf '%-25s %-16s %-15s %-8s S Queue\n' 'Job ID' Name User 'Time Use'
    echo '------------------------- ---------------- --------------- -------- - -----'
    for job in "$jobs"/*; do
        listed "$job" || continue
        printf '%-25s %-16.16s %-15.15s %-8s %s %s\n' "$(basename "$job").login1" "$(cat "$job/name")" \
            "$(cat "$job/owner")" 00:00:00 "$(letter "$job")" batch
    done
}

delete() {
    job=$jobs/$(number "$1")
    listed "$job" || fail 153 "Unknown Job Id $1"
    case $(letter "$job") in
        C) fail 170 "Request invalid for state of job MSG=invalid state for job - COMPLETE $1" ;;
        Q) echo 271 > "$job/exit" ;;
        R)
            pid=$(cat "$job/pid")
            kill -TERM "-$pid" 2>/dev/null
            # what does not listen is killed, as by the server's kill_delay
            ( sleep 2; kill -KILL "-$pid" ) >/dev/null 2>&1 9>&- & ;;
    esac
}

case $command in
    qsub) submit "$@" ;;
    qstat) status "$@" ;;
    qdel) delete "$@" ;;
esac
