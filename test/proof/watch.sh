# Looks at all processes of a host again and again, as fast as it can, until its file is gone: arguments and environments
# that hold one of the patterns (a file of them, one a line) are told, with the name of the process.
patterns=$1
while [ -e "$patterns" ]; do
  for file in $(grep -laF -f "$patterns" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null); do
    echo "$file: $(tr '\0' ' ' <"${file%/*}/cmdline" 2>/dev/null | head -c 300)"
  done
  echo round
done
