import { aggregate } from './aggregate.ts';
import { aptSource } from './apt-source.ts';
import { backup } from './backup.ts';
import { cephAuth } from './ceph-auth.ts';
import { cephBackup } from './ceph-backup.ts';
import { cephCipher } from './ceph-cipher.ts';
import { cephConfig } from './ceph-config.ts';
import { cephCrush } from './ceph-crush.ts';
import { cephDrain } from './ceph-drain.ts';
import { cephFlag } from './ceph-flag.ts';
import { cephMon } from './ceph-mon.ts';
import { cephOsd } from './ceph-osd.ts';
import { cephOsdKey } from './ceph-osd-key.ts';
import { cephPool } from './ceph-pool.ts';
import { cephQuorum } from './ceph-quorum.ts';
import { command } from './command.ts';
import { computeBack } from './compute-back.ts';
import { computeDrain } from './compute-drain.ts';
import { computeGone } from './compute-gone.ts';
import { computeZone } from './compute-zone.ts';
import { dbSync } from './db-sync.ts';
import type { ResourceType } from './define.ts';
import { directory } from './directory.ts';
import { featureFile } from './feature-file.ts';
import { file } from './file.ts';
import { flavor } from './flavor.ts';
import { group } from './group.ts';
import { heatEncryption } from './heat-encryption.ts';
import { hostsFile } from './hosts-file.ts';
import { image } from './image.ts';
import { iniSetting } from './ini-setting.ts';
import { keypair } from './keypair.ts';
import { keystoneBootstrap } from './keystone-bootstrap.ts';
import { keystoneDomain } from './keystone-domain.ts';
import { keystoneProject } from './keystone-project.ts';
import { keystoneRole } from './keystone-role.ts';
import { keystoneService } from './keystone-service.ts';
import { keystoneUser } from './keystone-user.ts';
import { libvirtSecret } from './libvirt-secret.ts';
import { mysqlDatabase } from './mysql-database.ts';
import { mysqlUser } from './mysql-user.ts';
import { networkDrain } from './network-drain.ts';
import { network } from './network.ts';
import { novaCell } from './nova-cell.ts';
import { novaDiscover } from './nova-discover.ts';
import { novaDrain } from './nova-drain.ts';
import { novaService } from './nova-service.ts';
import { onlineMigrations } from './online-migrations.ts';
import { ovsBridge } from './ovs-bridge.ts';
import { ovsDatapath } from './ovs-datapath.ts';
import { packages } from './package.ts';
import { privateKey } from './private-key.ts';
import { quota } from './quota.ts';
import { rabbitmqUser } from './rabbitmq-user.ts';
import { rabbitmqVhost } from './rabbitmq-vhost.ts';
import { rgwUser } from './rgw-user.ts';
import { router } from './router.ts';
import { securityGroup } from './security-group.ts';
import { service } from './service.ts';
import { subnet } from './subnet.ts';
import { swiftRing } from './swift-ring.ts';
import { symlink } from './symlink.ts';
import { sysctl } from './sysctl.ts';
import { timeSync } from './time-sync.ts';
import { timezone } from './timezone.ts';
import { tlsCertificate } from './tls-certificate.ts';
import { user } from './user.ts';

/** All step types, in the order in which the reference lists them. */
export const resourceTypes: readonly ResourceType[] = [
  packages,
  aptSource,
  file,
  featureFile,
  directory,
  symlink,
  iniSetting,
  sysctl,
  user,
  group,
  service,
  command,
  heatEncryption,
  hostsFile,
  timezone,
  timeSync,
  privateKey,
  tlsCertificate,
  mysqlDatabase,
  mysqlUser,
  rabbitmqVhost,
  rabbitmqUser,
  dbSync,
  onlineMigrations,
  backup,
  keystoneBootstrap,
  keystoneDomain,
  keystoneProject,
  keystoneRole,
  keystoneUser,
  keystoneService,
  image,
  flavor,
  network,
  subnet,
  router,
  securityGroup,
  keypair,
  quota,
  novaCell,
  novaDiscover,
  computeZone,
  novaService,
  novaDrain,
  aggregate,
  computeBack,
  computeDrain,
  computeGone,
  networkDrain,
  ovsDatapath,
  ovsBridge,
  libvirtSecret,
  cephMon,
  cephQuorum,
  cephAuth,
  cephCipher,
  cephConfig,
  cephOsdKey,
  cephOsd,
  cephCrush,
  cephDrain,
  cephPool,
  cephFlag,
  cephBackup,
  rgwUser,
  swiftRing,
];
