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

number() { n=${1%%.*}; echo "${n%%\[*}"; }

submit() {
    name= out= nodes=1 ppn=1 elements=
    option() {
        case $1 in
            -N) name=$2 ;;
            -o) out=$2 ;;
            -t) elements=${2#1-} ;;
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
    # for `release`
    printf '%s\n' "$name" "$out" "$where" > "$job/held"
    if [ -n "$elements" ]; then
        # its elements are jobs of their own below it
        seq "$elements" | while read -r k; do mkdir -p "$job/elements/$k"; cp "$job/nodes" "$job/elements/$k"; done
        is hold || for k in $(seq "$elements"); do
            export PBS_ARRAYID="$k"
            start "$job/elements/$k" "${id}[$k].login1" "$job/script"
        done
        unset PBS_ARRAYID
        ! is unsure || fail 1 "End of File"
        echo "${id}[].login1"
        return
    fi
    is hold || start "$job" "$id.login1" "$job/script"
    ! is unsure || fail 1 "End of File"
    echo "$id.login1"
}

# runs a job: its directory, its id, its script
start() {
    (
        job=$1
        cd / || exit 1
        export PBS_JOBID="$2" PBS_NODEFILE="$job/nodes" PBS_JOBNAME="$name" PBS_ENVIRONMENT=PBS_BATCH
        exec </dev/null >/dev/null 2>&1
        # the first process tells its pid, as the leader of its own session, and becomes the job
        # shellcheck disable=SC2016
        setsid sh -c 'echo $$ > "$1/pid.new"; mv "$1/pid.new" "$1/pid"; exec bash -l "$2"' sh "$job" "$3" \
            > "$job/output" 2>&1
        status=$?
        case $out in '') ;; /*) cp "$job/output" "$out" ;; *) cp "$job/output" "$where/$out" ;; esac
        echo $status > "$job/exit.new"
        mv "$job/exit.new" "$job/exit"
    ) 9>&- &
}

letter() {
    if [ -d "$1/elements" ]; then
        letters=$(for element in "$1"/elements/*; do letter "$element"; done)
        case $letters in *R*) echo R ;; *Q*) echo Q ;; *) echo C ;; esac
    elif [ -e "$1/exit" ]; then echo C; elif [ -e "$1/pid" ]; then echo R; else echo Q; fi
}

listed() { [ -d "$1" ] && ! { is forget && [ "$(letter "$1")" = C ]; }; }

brackets() { [ ! -d "$1/elements" ] || echo '[]'; }

full() {
    whole=$jobs/$(number "$1")
    listed "$whole" || { echo "qstat: Unknown Job Id Error $1" >&2; return 153; }
    if [ -n "$each" ] && [ -d "$whole/elements" ]; then
        for element in "$whole"/elements/*; do one "$element" "$(basename "$whole")[$(basename "$element")]"; done
    else
        one "$whole" "$(basename "$whole")$(brackets "$whole")"
    fi
}

one() {
    job=$1
    printf 'Job Id: %s.login1\n' "$2"
    printf '    Job_Name = %s\n' "$(cat "$whole/name")"
    printf '    Job_Owner = %s@login1\n' "$(cat "$whole/owner")"
    printf '    job_state = %s\n' "$(letter "$job")"
    # long values go on after a tab, wherever they are cut
    printf '    exec_host = %s\n' "$(sort "$job/nodes" | uniq -c | awk '{printf "%s%s/0-%d", (NR>1?"+":""), $2, $1-1}' |
        fold -w 40 | sed '2,$s/^/\t/')"
    [ ! -e "$job/exit" ] || printf '    exit_status = %s\n' "$(cat "$job/exit")"
    printf '    submit_args = -N %s\n\n' "$(cat "$whole/name")"
}

status() {
    if [ "${1:-}" = -f ]; then
        shift
        worst=0 each=
        [ "${1:-}" != -t ] || { each=1; shift; }
        for id; do full "$id" || worst=$?; done
        exit $worst
    fi
    [ -n "$(ls "$jobs" 2>/dev/null)" ] || exit 0
    printf '%-25s %-16s %-15s %-8s S Queue\n' 'Job ID' Name User 'Time Use'
    echo '------------------------- ---------------- --------------- -------- - -----'
    for job in "$jobs"/*; do
        listed "$job" || continue
        printf '%-25s %-16.16s %-15.15s %-8s %s %s\n' "$(basename "$job")$(brackets "$job").login1" "$(cat "$job/name")" \
            "$(cat "$job/owner")" 00:00:00 "$(letter "$job")" batch
    done
}

delete() {
    worst=0
    for id; do
        whole=$jobs/$(number "$id")
        listed "$whole" || { echo "qdel: Unknown Job Id $id" >&2; worst=153; continue; }
        [ "$(letter "$whole")" != C ] || {
            echo "qdel: Request invalid for state of job MSG=invalid state for job - COMPLETE $id" >&2
            worst=170
            continue
        }
        if [ -d "$whole/elements" ]; then
            for element in "$whole"/elements/*; do end "$element"; done
        else
            end "$whole"
        fi
    done
    exit $worst
}

end() {
    job=$1
    case $(letter "$job") in
        Q) echo 271 > "$job/exit" ;;
        R)
            pid=$(cat "$job/pid")
            kill -TERM "-$pid" 2>/dev/null
            # what does not listen is killed, as by the server's kill_delay
            ( sleep 2; kill -KILL "-$pid" ) >/dev/null 2>&1 9>&- & ;;
    esac
}

# starts what was held, as an operator would with qrls
release() {
    for job in "$jobs"/*; do
        [ "$(letter "$job")" = Q ] || continue
        { read -r name; read -r out; read -r where; } < "$job/held"
        id=$(basename "$job")
        if [ -d "$job/elements" ]; then
            whole=$job
            for element in "$whole"/elements/*; do
                PBS_ARRAYID=$(basename "$element")
                export PBS_ARRAYID
                start "$element" "${id}[$PBS_ARRAYID].login1" "$whole/script"
            done
        else
            start "$job" "$id.login1" "$job/script"
        fi
    done
}

case $command in
    qrls) release ;;
    qsub) submit "$@" ;;
    qstat) status "$@" ;;
    qdel) delete "$@" ;;
esac
