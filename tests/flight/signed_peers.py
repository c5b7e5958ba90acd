"""Peers that sign by pymavlink's own code: a vehicle, and a door in front of a vehicle that cannot sign."""

import contextlib
import select
import socket
import threading
import time

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from flight.signing.clock import steps_at

RADIO_ONLY = (mavlink.MAVLINK_MSG_ID_RADIO_STATUS, mavlink.MAVLINK_MSG_ID_RADIO)


def signer(secret, sysid=1, compid=1, link_id=0):
    """pymavlink as an autopilot signs: RADIO_STATUS may come unsigned, nothing else."""
    mav = mavlink.MAVLink(None, srcSystem=sysid, srcComponent=compid)
    mav.robust_parsing = True
    mav.signing.secret_key = secret
    mav.signing.sign_outgoing = secret is not None
    mav.signing.timestamp = steps_at(time.time())
    mav.signing.link_id = link_id
    mav.signing.allow_unsigned_callback = lambda _, message_id: message_id in RADIO_ONLY
    return mav


class Door:
    """In front of a simulated vehicle: checks and strips the station's signatures, signs the vehicle's words.

    `kinds` are the types of what was let in.
    """

    def __init__(self, vehicle_port, secret):
        self.kinds = []
        self.outer = signer(secret)
        self._plain_out = mavlink.MAVLink(None)
        self._plain_in = mavlink.MAVLink(None)
        self._plain_in.robust_parsing = True
        self._vehicle_port = vehicle_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def rejected(self):
        return self.outer.signing.badsig_count + self.outer.signing.reject_count

    def _run(self):
        self._server.settimeout(0.2)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                station, _ = self._server.accept()
                with station, socket.create_connection(("127.0.0.1", self._vehicle_port)) as vehicle:
                    self._serve(station, vehicle)

    def _serve(self, station, vehicle):
        while not self._stop.is_set():
            ready, _, _ = select.select([station, vehicle], [], [], 0.2)
            for side in ready:
                data = side.recv(65536)
                if not data:
                    return
                if side is station:
                    self._from_station(data, vehicle)
                else:
                    self._from_vehicle(data, station)

    def _from_station(self, data, vehicle):
        for message in self.outer.parse_buffer(data) or ():
            if message.get_type() == "BAD_DATA":
                continue
            self.kinds.append(message.get_type())
            self._plain_out.srcSystem = message.get_srcSystem()
            self._plain_out.srcComponent = message.get_srcComponent()
            self._plain_out.seq = message.get_seq()
            vehicle.sendall(message.pack(self._plain_out))

    def _from_vehicle(self, data, station):
        for message in self._plain_in.parse_buffer(data) or ():
            if message.get_type() != "BAD_DATA":
                self.outer.seq = message.get_seq()
                station.sendall(message.pack(self.outer))

    def close(self):
        self._stop.set()
        self._thread.join(5.0)
        self._server.close()


class SigningVehicle:
    """A vehicle by pymavlink that knows SETUP_SIGNING and nothing else; it beats ten times a second."""

    def __init__(self, secret=None, obeys=True, timestamp=None):
        self.mav = signer(secret)
        self.mav.signing.timestamp = timestamp or self.mav.signing.timestamp
        self.obeys = obeys
        self.armed = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self._server.settimeout(0.2)
        station = None
        while not self._stop.is_set() and station is None:
            with contextlib.suppress(TimeoutError):
                station, _ = self._server.accept()
        if station is None:
            return
        with station, contextlib.suppress(OSError):
            while not self._stop.is_set():
                mode = 81 | (mavlink.MAV_MODE_FLAG_SAFETY_ARMED if self.armed else 0)
                beat = mavlink.MAVLink_heartbeat_message(
                    2, mavlink.MAV_AUTOPILOT_ARDUPILOTMEGA, mode, 0, 3, 3
                )
                station.sendall(beat.pack(self.mav))
                if select.select([station], [], [], 0.1)[0]:
                    data = station.recv(65536)
                    if not data:
                        return
                    self._hear(data)

    def _hear(self, data):
        for message in self.mav.parse_buffer(data) or ():
            if message.get_type() == "SETUP_SIGNING" and self.obeys:
                secret = bytes(message.secret_key)
                on = any(secret)
                self.mav.signing.secret_key = secret if on else None
                self.mav.signing.sign_outgoing = on
                self.mav.signing.timestamp = max(self.mav.signing.timestamp, message.initial_timestamp)

    def close(self):
        self._stop.set()
        self._thread.join(5.0)
        self._server.close()
