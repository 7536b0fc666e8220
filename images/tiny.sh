# A 15 MB image for tests: Debian's kernel, busybox and dropbear. It asks DHCP for an address and the metadata service for its
# hostname and key, answers HTTP on port 80 with a line about itself, and SSH with the key; its console says "TINY READY".
# In a directory of its own, as root; `format` is set. Leaves the file `image`.
[ "$(dpkg --print-architecture)" = amd64 ] || { echo 'the tiny image is for amd64 only' >&2; exit 1; }
apt-get -q update
echo 'fetching the kernel'
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
# apt's own user may not write here.
apt-get -q -o APT::Sandbox::User=root download "$kernel"
mkdir kernel root
dpkg-deb --fsys-tarfile "$kernel"_*.deb | tar -x -C kernel
modules=$(ls -d kernel/usr/lib/modules/* kernel/lib/modules/* 2>/dev/null | head -n 1)
release=${modules##*/}
depmod -b "${modules%/lib/modules/*}" "$release"

cd root
mkdir -p bin dev etc/acpi/PWRF etc/dropbear proc root/.ssh run sys tmp usr/sbin var/log var/run www lib/modules/"$release"
cp /bin/busybox bin/
ln -s busybox bin/sh
cp /usr/sbin/dropbear usr/sbin/
ldd /usr/sbin/dropbear | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' | while read -r library; do
  mkdir -p ".${library%/*}"
  cp -L "$library" ".$library"
done
for module in virtio_pci virtio_blk virtio_net virtio_rng virtio_scsi sd_mod button evdev; do
  modprobe -d "../${modules%/lib/modules/*}" -S "$release" -D "$module" 2>/dev/null | awk '/^insmod/ { print $2 }'
done | sort -u | while read -r file; do
  target=lib/modules/$release/${file#*/modules/"$release"/}
  mkdir -p "${target%/*}"
  case $file in
  *.xz) xz -dc "$file" >"${target%.xz}" ;;
  *.zst) zstd -qdc "$file" >"${target%.zst}" ;;
  *) cp "$file" "$target" ;;
  esac
done
cp "../$modules"/modules.builtin "../$modules"/modules.builtin.modinfo "../$modules"/modules.order lib/modules/"$release"/
depmod -b . "$release"
echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
echo 'root:x:0:' >etc/group
# No password is good: who wants in has the key.
echo 'root:*:19000:0:99999:7:::' >etc/shadow
echo 'passwd: files' >etc/nsswitch.conf
echo /bin/sh >etc/shells
printf '#!/bin/sh\npoweroff -f\n' >etc/acpi/PWRF/00000080
cat >lease.sh <<'SCRIPT'
#!/bin/busybox sh
case $1 in bound|renew)
  ip addr flush dev $interface; ip addr add $ip/$mask dev $interface
  [ -z "$mtu" ] || ip link set $interface mtu $mtu
  for gateway in $router; do ip route replace default via $gateway dev $interface; break; done
  set -- $staticroutes
  while [ -n "$1" ]; do ip route replace $1 via $2; shift 2; done
  for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf ;;
esac
SCRIPT
cat >init <<'SCRIPT'
#!/bin/busybox sh
/bin/busybox mkdir -p /bin /sbin
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin:/sbin HOME=/root
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mkdir -p /dev/pts; mount -t devpts pts /dev/pts
for module in virtio_pci virtio_blk virtio_net virtio_rng virtio_scsi button evdev; do modprobe $module 2>/dev/null; done
acpid -l /dev/null 2>/dev/null
ip link set lo up
for card in $(ls /sys/class/net | grep -v lo); do
  ip link set $card up
  udhcpc -i $card -s /lease.sh -t 8 -T 2 -n -q -O staticroutes -O 121 -O 26 || echo "=== TINY: no lease on $card"
done
metadata() { wget -q -T 5 -O - http://169.254.169.254/latest/$1 2>/dev/null; }
for try in 1 2 3; do name=$(metadata meta-data/hostname) && break; sleep 2; done
name=${name%%.*}
hostname "${name:-tiny}"
metadata meta-data/public-keys/0/openssh-key >/root/.ssh/authorized_keys
chmod 700 /root /root/.ssh; chmod 600 /root/.ssh/authorized_keys
addresses=$(ip -o -4 addr show | grep -v ' lo ' | awk '{ print $4 }' | tr '\n' ' ')
echo "$(hostname) $addresses" >/www/index.html
httpd -p 80 -h /www
dropbear -R -E -s 2>/dev/null
metadata user-data >/tmp/user-data && head -c 2 /tmp/user-data | grep -q '#!' && sh /tmp/user-data >/dev/console 2>&1
echo "=== TINY READY after $(cut -d' ' -f1 /proc/uptime) s: $(hostname) $addresses"
while :; do setsid getty -L ttyS0 115200 vt100 || sleep 2; done
SCRIPT
chmod 755 init lease.sh etc/acpi/PWRF/00000080
find . | cpio -o -H newc --quiet | zstd -q -12 >../initrd
cd ..
cp kernel/boot/vmlinuz-"$release" vmlinuz

cat >syslinux.cfg <<'CONFIG'
SERIAL 0 115200
DEFAULT tiny
PROMPT 0
TIMEOUT 1
LABEL tiny
 KERNEL vmlinuz
 INITRD initrd
 APPEND console=tty0 console=ttyS0,115200 mitigations=off quiet loglevel=4 panic=5 tsc=unstable nokaslr
CONFIG
# A FAT file system that is the whole disk needs no loop device, no mount and no partition.
truncate -s $((($(stat -c %s vmlinuz) + $(stat -c %s initrd)) / 1048576 + 6))M disk
mkfs.vfat -F 16 -n TINY disk >/dev/null
mcopy -i disk vmlinuz initrd syslinux.cfg ::/
syslinux -i disk
case $format in
raw) mv disk image ;;
*) qemu-img convert -c -O "$format" disk image ;;
esac
