import { quote } from '../base/command.ts';

/** What a host's loop is told when it starts. */
export interface LoopSettings {
  /** 32 hex digits, new for each connection: what the loop says starts with it. */
  readonly nonce: string;
  /** Names the run's directory under `base`; the same for all connections of one shell. */
  readonly run: string;
  /** Where runs, and the lock, live: a directory on a tmpfs that only root can enter. */
  readonly base: string;
  /** Bytes of standard output, and of standard error, that a job may send back. */
  readonly maxOut: number;
  readonly maxErr: number;
  /** Seconds without a heartbeat after which the loop is ended, once a heartbeat was heard. */
  readonly silence: number;
}

/**
 * How the far side starts, whatever the login shell is: the command has no character that bash, zsh, fish or tcsh would
 * change. The loop itself comes by standard input, so its length never meets ARG_MAX and nothing waits for a file.
 */
export function startCommand(length: number, sudo?: { readonly prompt: string; readonly ready: string } | 'passwordless'): string {
  const read = `eval "$(head -c ${length})"`;
  if (sudo === undefined) return `exec /bin/sh -c '${read}'`;
  if (sudo === 'passwordless') return `exec sudo -n -- /bin/sh -c '${read}'`;
  // sudo reads the password from the same stream as the shell its loop: `ready` tells that sudo is through.
  return `exec sudo -S -k -p ${sudo.prompt} -- /bin/sh -c 'echo ${sudo.ready}; ${read}'`;
}

/** The loop's text: POSIX sh for dash and busybox ash. docs/ssh.md describes what it leaves on a host. */
export function loopText(settings: LoopSettings): string {
  return [
    `n=${settings.nonce} me=${settings.run} b=${quote(settings.base)}`,
    `maxo=${settings.maxOut} maxe=${settings.maxErr} quiet=${settings.silence}`,
    LOOP,
  ].join('\n');
}

/**
 * Descriptors: 6 serialises what is said, 8 (`alive`) is held by this loop alone and tells other runs that it lives, 9 is
 * the host's lock and is inherited by every job.
 *
 * Frames come as a line `job ID MODE SECONDS SCRIPT-BYTES INPUT-BYTES`, the bytes, and a line `.`; other frames are
 * `find ID`, `done ID`, `take ID RUN INFO-BYTES`, `beat N` and `bye`. The line `.` is the proof that a frame is whole: a
 * connection cut in the middle of one never starts half a script.
 */
const LOOP = String.raw`
r=$b/$me
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive
unset LANGUAGE ENV BASH_ENV CDPATH
umask 077
# Secrets come by this way: none of them into a dump of memory.
ulimit -c 0
cd /

# A job's answer: one header line, then its bytes. Sizes are taken once, because a daemon that a job left behind may go on writing.
say() { # id code directory
  {
    flock 6
    set -- "$1" "$2" "$3" $(stat -c %s "$3/out" "$3/err")
    o=$4 e=$5
    [ "$o" -le "$maxo" ] || o=$maxo
    [ "$e" -le "$maxe" ] || e=$maxe
    echo "$n $1 $2 $o $e $4 $5"
    [ "$o" = 0 ] || head -c "$o" "$3/out"
    [ "$e" = 0 ] || head -c "$e" "$3/err"
  } 6>>"$r/say.$$"
}
tell() { # id code: an answer without output
  { flock 6; echo "$n $1 $2 0 0 0 0"; } 6>>"$r/say.$$"
}

# One job, in the background. The lock (9) goes to the job and is closed before answering: a dead connection may block the answer for hours.
work() { # id mode seconds
  exec 8>&-
  trap '' HUP
  s=
  [ "$2" = run ] || s=setsid
  ( trap - HUP; exec $s timeout -k 10 "$3" sh "$r/$1/script" <"$r/$1/in" >"$r/$1/out" 2>"$r/$1/err" ) &
  echo $! >"$r/$1/$2.pid"
  wait $!
  c=$?
  exec 9>&-
  echo $c >"$r/$1/rc"
  say "$1" $c "$r/$1"
  [ "$2" = mend ] || rm -rf "$r/$1"
}

# The outcome of a job that an earlier connection started. Gone: it never began, or nothing is left to tell how it ended.
seek() { # id
  exec 8>&- 9>&-
  d=$r/$1 t=0
  [ -e "$d/begun" ] || { tell "$1" gone; return; }
  while [ ! -s "$d/rc" ]; do
    p=
    [ ! -s "$d/mend.pid" ] || read -r p <"$d/mend.pid"
    if [ -z "$p" ] || ! kill -0 "$p" 2>/dev/null; then
      t=$((t + 1))
      [ $t -lt 15 ] || { tell "$1" gone; return; }
    fi
    sleep 0.2
  done
  read -r c <"$d/rc"
  say "$1" "$c" "$d"
}

holds() { # run: is that run's loop alive?
  [ -e "$b/$1/alive" ] && ! flock -n "$b/$1/alive" true
}

# Takes the host's lock, which belongs to a run as long as its loop lives or a job it started does. Of two runs that meet the older wins.
take() { # id holder
  exec 8>&-
  t=0
  while :; do
    x= y=
    if flock -n 9; then
      [ ! -s "$b/lock.info" ] || read -r x y <"$b/lock.info"
      if [ -z "$x" ] || [ "$x" = "$me" ] || ! holds "$x"; then claim "$1"; return; fi
      flock -u 9
    fi
    [ ! -s "$b/lock.info" ] || read -r x y <"$b/lock.info"
    if [ "$x" = "$me" ]; then
      # A job of this run's lost connection has it. This loop counts as the holder already, and takes over when that job ends.
      flock 9 </dev/null >/dev/null 2>&1 &
      claim "$1"
      return
    fi
    if [ -n "$x" ] && LC_ALL=C expr "x$y" \< "x$2" >/dev/null; then
      { [ $t -lt 10 ] && ! holds "$x"; } || break
    fi
    t=$((t + 1))
    [ $t -lt 50 ] || break
    sleep 0.1
  done
  mkdir -p "$r/$1"
  tail -n +2 "$b/lock.info" >"$r/$1/out" 2>/dev/null
  : >"$r/$1/err"
  # 2: that run is dead, and a command that it started goes on.
  c=1
  [ -z "$x" ] || holds "$x" || c=2
  say "$1" $c "$r/$1"
  rm -rf "$r/$1" "$r/holder.$1"
}
claim() { # id
  mv "$r/holder.$1" "$b/lock.info"
  tell "$1" 0
}

stop() { # ends the jobs of mode $1
  for p in "$r"/*/"$1".pid; do
    [ -s "$p" ] && read -r p <"$p" && kill -KILL -- "-$p" 2>/dev/null
  done
}

# Ends the loop of a deployer that fell silent, and jobs whose output has no end: /run is memory.
mind() {
  exec 8>&- 9>&- </dev/null >/dev/null 2>&1
  t=0 last= swept=
  while sleep 2; do
    kill -0 $$ || return
    # What runs that never ended have left.
    [ -n "$swept" ] || find "$b" -mindepth 1 -maxdepth 1 -type d -mtime +6 ! -name "$me" -exec rm -rf {} +
    swept=yes
    for f in $(find "$r" -type f \( -name out -o -name err \) -size +131072k); do
      for p in "${'$'}{f%/*}"/*.pid; do read -r p <"$p" && kill -KILL -- "-$p"; done
    done
    [ -s "$r/beat" ] || continue
    read -r now <"$r/beat"
    now="$now $(stat -c %s "$r"/*/script "$r"/*/in)"
    if [ "$now" = "$last" ]; then t=$((t + 2)); else t=0 last=$now; fi
    [ $t -lt "$quiet" ] || { kill -KILL $$; stop run; return; }
  done
}

# The greeting is made without files and almost without processes: opening shells is most of what a run without changes costs.
greet() { # code text: characters are bytes, because the text is ASCII
  echo "$n 0 $1 ${'$'}{#2} 0 ${'$'}{#2} 0"
  printf %s "$2"
}
uid= host= boot= os=
while read -r k v c; do [ "$k" != Uid: ] || uid=$v; done </proc/self/status
fail() {
  greet 1 "$uid $1"
  exit 1
}
mkdir -p "$r" 2>/dev/null || fail "cannot make a directory in $b"
{ : >"$r/beat"; } 2>/dev/null || fail "cannot write to $b"
exec 8>>"$r/alive"
if ! flock -n 8; then
  # A loop of this run's lost connection still waits for frames.
  read -r p <"$r/loop" && kill -KILL "$p" 2>/dev/null
  stop run
  flock -w 5 8 || fail "an earlier shell of this run does not end"
fi
echo $$ >"$r/loop"
read -r host </proc/sys/kernel/hostname
read -r boot </proc/sys/kernel/random/boot_id
[ ! -r /etc/os-release ] || while read -r k; do
  case $k in
    *[!\ -~]*) ;;
    ID=* | ID_LIKE=* | VERSION_ID=* | VERSION_CODENAME=*) os="$os
$k" ;;
  esac
done </etc/os-release
greet 0 "$uid
$host
$boot
$(date +%s.%N)$os
"
mind &
minder=$!

receive() { # bytes file
  if [ "$1" = 0 ]; then : >"$2"; else head -c "$1" >"$2"; fi
}
bye=
while read -r k i m t a c; do
  case $k in
    job)
      mkdir "$r/$i"
      receive "$a" "$r/$i/script"
      receive "$c" "$r/$i/in"
      read -r k && [ "$k" = . ] || break
      : >"$r/$i/begun"
      work "$i" "$m" "$t" &
      ;;
    take)
      { echo "$me $m"; head -c "$t"; } >"$r/holder.$i"
      read -r k && [ "$k" = . ] || break
      exec 9>>"$b/lock"
      take "$i" "$m" &
      ;;
    find) seek "$i" & ;;
    done) rm -rf "$r/$i" ;;
    beat) echo "$i" >"$r/beat" ;;
    bye) bye=yes; break ;;
    *) echo "cellwise: not a frame" >&2; break ;;
  esac
done
kill $minder 2>/dev/null
stop run
# A lost connection leaves the directory: its outcomes are collected by the next one.
[ -n "$bye" ] || exit 0
x=
[ ! -s "$b/lock.info" ] || read -r x y <"$b/lock.info"
for d in "$r"/*/begun; do
  d=${'$'}{d%/begun}
  [ ! -e "$d/mend.pid" ] || [ -s "$d/rc" ] || exit 0
done
set -- "$r"
[ "$x" != "$me" ] || set -- "$b/lock.info" "$r"
exec rm -rf "$@"
`;
