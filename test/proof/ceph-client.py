# Writes and reads all the time until it is told to stop; what is read must be what was written last. Then tells its counts.
import hashlib, json, os, random, signal, threading, time
import rados

CONF = {"rados_osd_op_timeout": "120", "rados_mon_op_timeout": "120"}
counts = {"ok": 0, "errors": 0, "wrong": 0, "slowest": 0.0, "last": ""}
lock = threading.Lock()
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())


def connect():
    cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.proof", conf=CONF)
    cluster.connect(timeout=120)
    return cluster


def count(act):
    at = time.monotonic()
    try:
        good, error = act(), ""
    except Exception as failure:
        good, error = None, repr(failure)
    with lock:
        counts["ok"] += good is True
        counts["wrong"] += good is False
        counts["errors"] += good is None
        counts["last"] = error or counts["last"]
        counts["slowest"] = max(counts["slowest"], round(time.monotonic() - at, 2))


def work(name):
    io = connect().open_ioctx("proof")
    written = {}

    def write(key, data):
        io.write_full(key, data)
        written[key] = hashlib.sha256(data).digest()
        return True

    while not stop.is_set():
        key, data = "%s-%d" % (name, random.randrange(50)), os.urandom(4096 * random.randrange(1, 32))
        count(lambda: write(key, data))
        if written:
            known = random.choice(list(written))
            count(lambda: hashlib.sha256(io.read(known, 1 << 20)).digest() == written[known])
        time.sleep(0.05)


def come_anew():
    while not stop.is_set():

        def visit():
            cluster = connect()
            try:
                with cluster.open_ioctx("proof") as io:
                    io.write_full("fresh", b"fresh")
                    return io.read("fresh") == b"fresh"
            finally:
                cluster.shutdown()

        count(visit)
        time.sleep(2)


threads = [threading.Thread(target=work, args=("a",)), threading.Thread(target=work, args=("b",)), threading.Thread(target=come_anew)]
for thread in threads:
    thread.start()
while any(thread.is_alive() for thread in threads):
    time.sleep(1)
    with lock, open("/root/proof.json.new", "w") as f:
        json.dump(counts, f)
    os.replace("/root/proof.json.new", "/root/proof.json")
os._exit(0)
