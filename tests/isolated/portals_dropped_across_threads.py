"""Portals are suspended, handed over and dropped by many threads, some of which end meanwhile."""

# mark: threads

import gc
import random
import threading

from support.by_hand import trap

from switchback import _engine, await_


def suspend(number):
    try:
        await_(trap())
    finally:
        closed_in.append((number, threading.get_ident()))


closed_in = []
started_in = {}
exchange = []
lock = threading.Lock()


def work(seed):
    chance = random.Random(seed)
    for step in range(300):
        number = (seed, step)
        portal = _engine.open_call_portal(suspend, (number,))
        portal.send(None)
        started_in[number] = threading.get_ident()
        with lock:
            exchange.append(portal)
            del portal
            if chance.random() < 0.7:
                exchange.pop(chance.randrange(len(exchange)))
        if chance.random() < 0.01:
            gc.collect()


for round_ in range(5):
    threads = [threading.Thread(target=work, args=(round_ * 10 + index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    exchange.clear()
    gc.collect()

assert len(set(closed_in)) == len(closed_in)
wrong = [entry for entry in closed_in if started_in[entry[0]] != entry[1]]
assert not wrong, wrong[:5]
