# Boots a machine on a host and waits until it has said that it is ready. Prints its id, its address and its network.
import json, sys, time
import openstack

name, host, network = sys.argv[1:4]
cloud = openstack.connect(cloud=sys.argv[4])
server = cloud.compute.find_server(name)
if server is None:
    group = cloud.network.find_security_group('probe')
    server = cloud.compute.create_server(
        name=name,
        flavor_id=cloud.compute.find_flavor('m1.tiny').id,
        image_id=cloud.image.find_image('tiny').id,
        networks=[{'uuid': cloud.network.find_network(network).id}],
        security_groups=[{'name': group.id}],
        availability_zone='nova:' + host,
    )
try:
    server = cloud.compute.wait_for_server(server, wait=300)
except openstack.exceptions.ResourceFailure:
    sys.exit('%s: %s' % (name, (cloud.compute.get_server(server.id).fault or {}).get('message')))
for _ in range(100):
    if 'TINY READY' in (cloud.compute.get_server_console_output(server)['output'] or ''):
        break
    time.sleep(3)
else:
    sys.exit('%s is not ready' % name)
address = next(iter(server.addresses.values()))[0]['addr']
print(json.dumps({'id': server.id, 'address': address, 'network': cloud.network.find_network(network).id, 'host': server.hypervisor_hostname}))
