"""Links that a test can cut and mend: between a station and a vehicle."""

import contextlib
import selectors
import socket
import threading


class _Cuttable:
    """A thread that forwards until left; while it is `cut`, nothing gets through."""

    def __init__(self):
        self.cut = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        for side in self._sockets:
            side.close()


class Proxy(_Cuttable):
    """Forwards one connection at a time to a vehicle; while it is `cut`, nothing gets through. A context
    manager; `address` is for the station."""

    def __init__(self, vehicle_address):
        host, port = vehicle_address.split(":")[1:]
        self._vehicle = (host, int(port))
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self.address = f"tcp:127.0.0.1:{self._server.getsockname()[1]}"
        self._sockets = (self._server,)
        super().__init__()

    def _serve(self):
        vehicle = socket.create_connection(self._vehicle, 10)
        with vehicle:
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    station, _ = self._server.accept()
                    with station:
                        self._forward(station, vehicle)

    def _forward(self, station, vehicle):
        """Until the station goes; the vehicle's side stays, as a radio does."""
        other = {station: vehicle, vehicle: station}
        with selectors.DefaultSelector() as selector:
            for side in other:
                selector.register(side, selectors.EVENT_READ)
            while not self._stop.is_set():
                for key, _ in selector.select(0.1):
                    try:
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        if not self.cut:
                            other[key.fileobj].sendall(data)
                    except OSError:
                        return


class UdpProxy(_Cuttable):
    """The same over UDP, for a vehicle that sends to a port by itself (PX4 does). The station listens."""

    def __init__(self, vehicle_address):
        host, port = vehicle_address.split(":")[1:]
        self._near_vehicle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._near_vehicle.bind((host, int(port)))
        self._near_station = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self._station = probe.getsockname()
        self.address = f"udpin:127.0.0.1:{self._station[1]}"
        self._sockets = (self._near_vehicle, self._near_station)
        super().__init__()

    def _serve(self):
        vehicle = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._near_vehicle, selectors.EVENT_READ)
            selector.register(self._near_station, selectors.EVENT_READ)
            while not self._stop.is_set():
                for key, _ in selector.select(0.1):
                    with contextlib.suppress(OSError):
                        data, sender = key.fileobj.recvfrom(65536)
                        if key.fileobj is self._near_vehicle:
                            vehicle = sender
                        if self.cut:
                            continue
                        if key.fileobj is self._near_vehicle:
                            self._near_station.sendto(data, self._station)
                        elif vehicle is not None:
                            self._near_vehicle.sendto(data, vehicle)


def proxy_to(vehicle_address):
    """A proxy that suits an address."""
    return (UdpProxy if vehicle_address.startswith("udp") else Proxy)(vehicle_address)
