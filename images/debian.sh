# A cloud image of Debian, from the mirror that this host itself uses: kernel, cloud-init, sshd and what else is asked for. It
# boots by BIOS, has a console on the serial port, and grows to the disk that it is given.
# In a directory of its own, as root; `format`, `release`, `size` (GiB) and `packages` are set. Leaves the file `image`.
[ "$(dpkg --print-architecture)" = amd64 ] || { echo 'debian images are built for amd64 only' >&2; exit 1; }
own=$(. /etc/os-release && echo "$VERSION_CODENAME")
# shellcheck disable=SC2016 # the names are apt's
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u |
  grep -E " $own(-updates|-security)? main$" | sed "s/ $own/ $release/" >sources
# How the mirror is reached from here is nobody's business in the cloud.
apt-config dump | grep -E '^Acquire::https?::(Proxy|CaInfo)' >apt.conf || true

needed='systemd-sysv dbus libpam-systemd systemd-resolved udev kmod iproute2 ca-certificates
  linux-image-cloud-amd64 initramfs-tools zstd cloud-init cloud-guest-utils e2fsprogs openssh-server sudo less vim-tiny'
echo "installing Debian $release"
# shellcheck disable=SC2086 # a list of words
mmdebstrap --quiet --mode=root --variant=minbase --aptopt=apt.conf --include="$(echo $needed $packages | tr ' ' ',')" \
  --customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/ssh/ssh_host_*' \
  --customize-hook='chroot "$1" systemctl -q enable systemd-networkd' \
  "$release" root - <sources
rm -f root/etc/resolv.conf
ln -s ../run/systemd/resolve/stub-resolv.conf root/etc/resolv.conf
: >root/etc/machine-id
rm -f root/etc/hostname
echo 'LABEL=root / ext4 errors=remount-ro 0 1' >root/etc/fstab
echo 'datasource_list: [ConfigDrive, OpenStack, None]' >root/etc/cloud/cloud.cfg.d/90-cellwise.cfg
# These two links follow the newest kernel, so grub needs no new configuration for one.
[ -e root/vmlinuz ] && [ -e root/initrd.img ] || { echo 'the kernel left no /vmlinuz or /initrd.img' >&2; exit 1; }
mkdir -p root/boot/grub
cat >root/boot/grub/grub.cfg <<'CONFIG'
set timeout=0
linux /vmlinuz root=LABEL=root ro console=tty0 console=ttyS0,115200
initrd /initrd.img
boot
CONFIG

# A partition, its file system and a boot loader, put together in a file: no loop device and no mount.
echo 'making the disk'
truncate -s "${size}G" disk
printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk -q disk
mke2fs -q -t ext4 -L root -O ^metadata_csum_seed -d root -E offset=1048576 disk $((size * 1048576 - 1024))k
grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o core.img biosdisk part_msdos ext2 linux normal configfile serial
dd if=/usr/lib/grub/i386-pc/boot.img of=disk bs=440 count=1 conv=notrunc status=none
dd if=core.img of=disk bs=512 seek=1 conv=notrunc status=none
rm -rf root
case $format in
raw) mv disk image ;;
*) qemu-img convert -c -O "$format" disk image ;;
esac
