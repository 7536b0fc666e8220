# Makes a machine the APIs of a cloud without hosts: on 127.0.0.1, every service with the password PW. It is made an image of,
# so everything is stopped in the end, and starts with the machine.
set -e
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/unsafe
printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' >/etc/dpkg/dpkg.cfg.d/lean
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get -q update
apt-get -y -q -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install --no-install-recommends \
  mariadb-server python3-pymysql rabbitmq-server keystone glance-api nova-api neutron-api cinder-api memcached python3-memcache
rm /usr/sbin/policy-rc.d
systemctl start mariadb rabbitmq-server memcached
for db in keystone glance nova nova_api nova_cell0 neutron cinder; do echo "CREATE DATABASE IF NOT EXISTS $db; GRANT ALL ON $db.* TO os@'%' IDENTIFIED BY '$PW';"; done | mariadb
rabbitmqctl -q add_user os "$PW"; rabbitmqctl -q set_permissions os '.*' '.*' '.*'
auth() { printf '[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:5000\nmemcached_servers = 127.0.0.1:11211\n'; access; }
access() { printf 'auth_url = http://127.0.0.1:5000\nauth_type = password\nproject_domain_name = Default\nuser_domain_name = Default\nproject_name = admin\nusername = admin\npassword = %s\nregion_name = RegionOne\n' "$PW"; }
database() { printf '[%s]\nconnection = mysql+pymysql://os:%s@127.0.0.1/%s\n' "$1" "$PW" "$2"; }
queue="transport_url = rabbit://os:$PW@127.0.0.1:5672/"
write() { cat >"$1"; chmod 0644 "$1"; }
{ database database keystone; printf '[token]\nprovider = fernet\n'; } | write /etc/keystone/keystone.conf
{ printf '[DEFAULT]\nenabled_backends = fs:file\nworkers = 1\n'; database database glance; auth; printf '[paste_deploy]\nflavor = keystone\n[glance_store]\ndefault_backend = fs\n[fs]\nfilesystem_store_datadir = /var/lib/glance/images/\n'; } | write /etc/glance/glance-api.conf
{ printf '[DEFAULT]\nmy_ip = 127.0.0.1\nstate_path = /var/lib/nova\nlog_dir = /var/log/nova\n%s\n' "$queue"; database api_database nova_api; database database nova; auth
  for part in placement neutron cinder service_user; do printf '[%s]\n' $part; access; done; printf '[glance]\napi_servers = http://127.0.0.1:9292\n[oslo_concurrency]\nlock_path = /var/lock/nova\n'; } | write /etc/nova/nova.conf
{ printf '[DEFAULT]\ncore_plugin = ml2\nservice_plugins = router\nauth_strategy = keystone\nstate_path = /var/lib/neutron\nlog_dir = /var/log/neutron\n%s\n' "$queue"; database database neutron; auth; printf '[nova]\n'; access; printf '[placement]\n'; access; printf '[oslo_concurrency]\nlock_path = /var/lib/neutron/tmp\n'; } | write /etc/neutron/neutron.conf
printf '[ml2]\ntype_drivers = flat,vlan,vxlan\ntenant_network_types = vxlan\nmechanism_drivers = openvswitch\nextension_drivers = port_security\n[ml2_type_flat]\nflat_networks = ext\n[ml2_type_vlan]\nnetwork_vlan_ranges = data:100:199\n[ml2_type_vxlan]\nvni_ranges = 1:5000\n' | write /etc/neutron/plugins/ml2/ml2_conf.ini
{ printf '[DEFAULT]\nauth_strategy = keystone\nstate_path = /var/lib/cinder\nlog_dir = /var/log/cinder\nmy_ip = 127.0.0.1\n%s\n' "$queue"; database database cinder; auth; printf '[oslo_concurrency]\nlock_path = /var/lib/cinder\n'; } | write /etc/cinder/cinder.conf
install -d -o neutron /var/lib/neutron/tmp
for service in keystone nova neutron cinder; do
  for ini in /etc/$service/$service-uwsgi.ini /etc/$service/$service-api-uwsgi.ini; do
    [ ! -e $ini ] || sed -i 's/^processes = .*/processes = 1/; s/^threads = .*/threads = 1/; s/^plugins.*/plugins = python3/; /apparmor/d' $ini
  done
done
as() { user=$1; shift; runuser -u "$user" -- "$@" >>/tmp/prepare.log 2>&1 || { tail -20 /tmp/prepare.log; exit 1; }; }
(as keystone keystone-manage db_sync; as root keystone-manage fernet_setup --keystone-user keystone --keystone-group keystone; as root keystone-manage credential_setup --keystone-user keystone --keystone-group keystone) & one=$!
(as glance glance-manage db_sync; as cinder cinder-manage db sync) & two=$!
(as neutron neutron-db-manage --config-file /etc/neutron/neutron.conf --config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade head) & three=$!
as nova nova-manage api_db sync; as nova nova-manage cell_v2 map_cell0 --database_connection "mysql+pymysql://os:$PW@127.0.0.1/nova_cell0"
as nova nova-manage cell_v2 create_cell --name=cell1; as nova nova-manage db sync
wait $one; wait $two; wait $three
export OS_BOOTSTRAP_PASSWORD=$PW
keystone-manage bootstrap --bootstrap-region-id RegionOne --bootstrap-public-url http://127.0.0.1:5000/v3 --bootstrap-internal-url http://127.0.0.1:5000/v3 --bootstrap-admin-url http://127.0.0.1:5000/v3 >>/tmp/prepare.log 2>&1
systemctl stop rabbitmq-server mariadb
