import { posix } from 'node:path';
import { type Command, raw, sh } from '../base/command.ts';

/**
 * How root writes on a host. Whoever owns a directory can exchange what is in it at any moment: a service user who swaps a
 * temporary file of root's for a link has root write, chown or chmod what the link names. So root never acts by a name
 * that somebody else can change:
 *
 * - It enters the directory, which pins it: `cd -P`, and the kernel says where that is (`$PWD`). If it is elsewhere than
 *   asked, a link was followed; only links in directories that nobody but root can change are. Never `cd` alone: a shell
 *   goes to `$PWD/NAME` then, from the root on and by names that may have changed.
 * - It works in `.cellwise.NAME` in there, a directory that root alone can enter, and acts on `./NAME`.
 * - `mv -T ./NAME ../NAME` puts it in place. A rename follows no link, never leaves the file system, and `..` cannot
 *   change, because nobody else may move a directory of root's to another parent.
 *
 * A run that is cut off leaves the private directory: nobody else can look into it, and the next apply of the same path
 * empties and removes it.
 *
 * Each function returns a statement of POSIX sh in a subshell of its own, so it changes neither variables nor the working
 * directory of what follows. It ends with a message and a code other than 0 when it could not be done: say `set -e` in
 * front, or `|| exit` behind. A path is a text, or a piece of shell that is one word, e.g. raw('"$directory/keyring"').
 */
type Path = string | Command;

interface Owned {
  readonly path: Path;
  /** USER:GROUP. */
  readonly owner: string;
  /** Octal. */
  readonly mode: string;
}

/**
 * A file, whole or not at all, and on disk. `content` is shell that prints it, and whose code says whether it could;
 * standard input when left out. `check` is shell that looks at the new file, `./"$name"`, and fails if it must not be put
 * in place.
 */
export function putFile(file: Owned & { readonly content?: Command; readonly check?: Command }): Command {
  return putAnything(
    file.path,
    sh`
{ ${file.content ?? raw('cat')}
} >"./$name" || exit
chown -- ${file.owner} "./$name" && chmod -- ${file.mode} "./$name" || exit
{ ${file.check ?? raw(':')}
} || exit`,
  );
}

/** A symbolic link, which takes the place of a link or a file that is there. */
export function putLink(link: { readonly path: Path; readonly target: string; readonly owner?: string }): Command {
  const give = link.owner === undefined ? raw('') : sh` && chown -h -- ${link.owner} "./$name"`;
  return putAnything(link.path, sh`ln -s -- ${link.target} "./$name"${give} || exit`);
}

/**
 * A directory with this owner and mode; what is in it is left alone. In the directory of somebody else, one that is root's
 * alone may be a private one under another name: that is never given away, only replaced while it is empty.
 */
export function putDirectory(directory: Owned): Command {
  const rootsOwn = directory.owner.startsWith('root:') ? raw('') : raw(`'0 700 '*) cd -P .. || exit ;;`);
  return sh`(
${entering}
${making}
keep() { chown -- ${directory.owner} . && chmod -- ${directory.mode} .; exit; }
step ${place(directory.path)} || exit
if [ -d "./$name" ] && [ ! -L "./$name" ]; then
  set -- "$PWD"
  walk "./$name" "\${1%/}/$name" || exit
  case "$(stat -c '%u %a' .) $(stat -c '%u %A' ..)" in
  '0 700 0 d'????-??-?) keep ;;
  ${rootsOwn}
  *) keep ;;
  esac
fi
aside || exit
mkdir -- "./$name" && chown -- ${directory.owner} "./$name" && chmod -- ${directory.mode} "./$name" && settle
)`;
}

/**
 * Whatever `make` leaves as `./"$name"` in the private directory, its working directory when it starts and ends. What is in
 * place is `../"$name"`: nobody's word is taken for what that is. Anything else that it makes there is removed.
 */
export function putAnything(path: Path, make: Command): Command {
  return sh`(
${entering}
${making}
step ${place(path)} && aside || exit
${make}
settle
)`;
}

/**
 * A directory with all that `fill` makes in its working directory, whole or not at all. One that is there is replaced; for
 * a moment it is called NAME.old.
 */
export function putTree(path: string, fill: Command): Command {
  const make = sh`
mkdir -- "./$name" || exit
(
cd -P -- "./$name" || exit
${fill}
)
[ $? -eq 0 ] && sync -f "./$name" || exit
rm -rf -- "../$name.old" || exit
[ ! -e "../$name" ] || mv -T -- "../$name" "../$name.old" || exit`;
  return sh`${putAnything(path, make)} && ${removeTree(`${path}.old`)}`;
}

/** A note of the deployer's own, for root alone: `content` is text, or shell that is one word. */
export function putRecord(directory: string, name: Path, content: Path): Command {
  const path = sh`${directory}/${name}`;
  return sh`${makeDirectories(directory)} && ${putFile({ path, owner: 'root:root', mode: '0600', content: sh`printf %s ${content}` })}`;
}

/** Directories for root alone, as many as are missing. */
export function makeDirectories(path: string): Command {
  return sh`(
${entering}
umask 077
deepen() {
  [ ! -d "$1" ] || return 0
  set -- "\${1%/*}" "\${1##*/}"
  [ -z "$1" ] || deepen "$1" || return
  enter "\${1:-/}" && mkdir -- "./$2"
}
deepen ${place(path)}
)`;
}

/**
 * A new version of a file that is there, made from the old one: `make` reads `./old` and writes into `./"$name"`, which has
 * its owner, mode and attributes already. Links to the file are followed where nobody but root can change them.
 */
export function editFile(path: Path, make: Command): Command {
  return sh`(
${entering}
${making}
${follow}
follow ${place(path)} && aside || exit
ln -P -- "../$name" ./old || exit
[ -f ./old ] && [ ! -L ./old ] || { printf '%s is not a file\\n' "../$name" >&2; exit 1; }
cp --attributes-only --preserve=all -- ./old "./$name" || exit
${make}
rm -- ./old && settle
)`;
}

/** Removes a file or a link. What is not there is no error. */
export function removeFile(path: Path): Command {
  return sh`(
${entering}
[ -e ${place(path)} ] || [ -L ${place(path)} ] || exit 0
step ${place(path)} && rm -f -- "./$name"
)`;
}

/** Removes a directory that is empty. */
export function removeDirectory(path: Path): Command {
  return sh`(
${entering}
step ${place(path)} && rmdir -- "./$name"
)`;
}

/** Removes a directory with all that is in it. What is not there is no error. */
export function removeTree(path: Path): Command {
  return sh`(
${entering}
[ -e ${place(path)} ] || [ -L ${place(path)} ] || exit 0
step ${place(path)} && rm -rf -- "./$name"
)`;
}

/** Prints a regular file, at most so many bytes of it; fails where a link or anything else is in its place. */
export function printFile(path: Path, bytes: number): Command {
  return sh`(
${entering}
step ${place(path)} 2>/dev/null && [ -f "./$name" ] && dd if="./$name" iflag=nofollow,nonblock,count_bytes bs=65536 count=${bytes} status=none
)`;
}

/** As `$PWD` would say it, but for links. */
function place(path: Path): Path {
  return typeof path === 'string' ? posix.normalize(path).replace(/(?<=.)\/$/, '') : path;
}

// How to get to a directory.
// walk DIRECTORY PATH: goes there, if that is PATH.
// target LINK: where a link of this directory leads, if nobody but root can change it.
// enter PATH: goes to a directory, by no link that somebody else can change.
// step PATH: enters the directory that PATH is in; `name` is what it is called in there.
const entering = raw(`walk() {
  cd -P -- "$1" 2>/dev/null && [ "$PWD" = "$2" ] || { printf '%s is no directory, or is reached by a link\\n' "$2" >&2; return 1; }
}
target() {
  case $(stat -c '%u %A' .) in
  '0 d'????-??-?) realpath -sm -- "$(readlink -- "./$1")" ;;
  *) printf '%s/%s is a link, and others than root can change it: it is not followed\\n' "\${PWD%/}" "$1" >&2; return 1 ;;
  esac
}
enter() {
  cd -P -- "$1" 2>/dev/null || { printf 'There is no directory %s\\n' "$1" >&2; return 1; }
  [ "$PWD" != "$1" ] || return 0
  set -- "\${1%/*}" "\${1##*/}"
  enter "\${1:-/}" || return
  if [ -L "./$2" ]; then
    set -- "$(target "$2")"
    [ -n "$1" ] && enter "$1"
  else
    set -- "$2" "$PWD"
    walk "./$1" "\${2%/}/$1"
  fi
}
step() {
  name=\${1##*/}
  set -- "\${1%/*}"
  enter "\${1:-/}"
}`);

// How to make something there.
// aside: enters the private directory for `name`. settle: puts what was made in it in place.
const making = raw(`aside() {
  umask 077
  left=$(mkdir -- "./.cellwise.$name" 2>&1)
  set -- "$PWD"
  [ -d "./.cellwise.$name" ] || { printf '%s\\n' "$left" >&2; return 1; }
  walk "./.cellwise.$name" "\${1%/}/.cellwise.$name" || return
  case $(stat -c '%u %a' .) in
  '0 700' | '0 2700') ;;
  *) printf '%s is not for root alone: remove it\\n' "$PWD" >&2; return 1 ;;
  esac
  [ -z "$left" ] || find . -xdev -mindepth 1 -delete
  trap 'rmdir -- "../.cellwise.$name" 2>/dev/null || { find . -xdev -mindepth 1 -delete; rmdir -- "../.cellwise.$name" 2>/dev/null; }' EXIT
}
settle() {
  [ -L "./$name" ] || sync -d -- "./$name" || exit
  mv -fT -- "./$name" "../$name" || { printf '%s cannot be put in place\\n' "\${PWD%/*}/$name" >&2; return 1; }
  sync -- ..
}`);

// follow PATH: like step, but to the file that a link of root's leads to.
const follow = raw(`follow() {
  step "$1" || return
  [ -L "./$name" ] || return 0
  set -- "$(target "$name")"
  [ -n "$1" ] && follow "$1"
}`);

/** Defines may_read FILE: whether it is a file, and no link to it can be changed by others than root. */
export const mayRead = raw(`${entering.script}
${follow.script}
may_read() { [ -f "$1" ] && ( follow "$1" ) 2>/dev/null; }`);

/**
 * Leaves in "$@" the regular files alone. So a pipe, which nobody may ever write into, is not waited for; and what is read
 * of a link that appears in this moment must not be shown: for that there is `printFile`.
 */
export const readable = raw(`for file; do
  shift
  [ ! -f "$file" ] || [ -L "$file" ] || set -- "$@" "$file"
done`);
