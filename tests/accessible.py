"""Widgets of a window as a screen reader finds them: by role and name, wherever a version of ParaView or a style of Qt puts them.

Qt offers them over D-Bus (AT-SPI) when a bus has the name org.a11y.Bus; QT_LINUX_ACCESSIBILITY_ALWAYS_ON must be set.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jeepney import DBusAddress, DBusErrorResponse, HeaderFields, MessageType, new_method_call, new_method_return
from jeepney.io.blocking import DBusConnection, open_dbus_connection

# Numbers of AT-SPI's roles and states.
CHECK_BOX, COMBO_BOX, LABEL, MENU_ITEM, POPUP_MENU, BUTTON, SLIDER, CELL, TEXT = 7, 11, 29, 35, 41, 43, 51, 56, 61
SENSITIVE, SHOWING = 24, 25
DBUS = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
LEAVES = LABEL, BUTTON, CHECK_BOX, SLIDER  # hold nothing
SECONDS = 60  # that a busy window may take to answer


class Bus:
    """A session bus for one window, and a connection to it that asks as a screen reader does."""

    def __init__(self, folder: Path) -> None:
        self._daemon = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address=unix:dir={folder}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self.address = self._daemon.stdout.readline().strip()
        self._connection = open_dbus_connection(self.address)
        self._roles: dict[str, int] = {}

    def listen(self) -> None:
        """Let the window offer its widgets, here, once it is up: Qt 5 loses what it is told while it starts."""
        _call(self._connection, DBUS, "RequestName", "su", ("org.a11y.Bus", 0))
        while True:
            message = self._connection.receive(timeout=SECONDS)
            if message.header.fields.get(HeaderFields.member) == "GetAddress":
                return self._connection.send(new_method_return(message, "s", (self.address,)))

    def close(self) -> None:
        self._connection.close()
        self._daemon.stdout.close()
        os.killpg(self._daemon.pid, signal.SIGKILL)
        self._daemon.wait()

    def find(self, fits: Callable[[Widget], bool]) -> Iterator[Widget]:
        """The visible widgets of all windows that fit."""
        for name in _call(self._connection, DBUS, "ListNames")[0]:
            if name.startswith(":") and name != self._connection.unique_name:
                root = Widget(self._connection, name, "/org/a11y/atspi/accessible/root", roles=self._roles)
                for window in root.children():
                    yield from window.find(fits)


@dataclass
class Widget:
    """A widget, asked anew each time, but for its role: that of a path never changes, and a search asks for hundreds."""

    connection: DBusConnection
    program: str
    path: str
    parent: Widget | None = None
    roles: dict[str, int] = field(default_factory=dict)

    def ask(self, interface: str, method: str, signature: str | None = None, *arguments):
        """What a method says; None where the widget is gone or has no such method."""
        at = DBusAddress(self.path, self.program, interface)
        try:
            return _call(self.connection, at, method, signature, arguments)
        except DBusErrorResponse:
            return None

    def children(self) -> list[Widget]:
        found = self.ask("org.a11y.atspi.Accessible", "GetChildren")
        return [Widget(self.connection, *place, self, self.roles) for place in found[0]] if found else []

    @property
    def role(self) -> int:
        if self.path not in self.roles:
            found = self.ask("org.a11y.atspi.Accessible", "GetRole")
            if not found:
                return 0
            self.roles[self.path] = found[0]
        return self.roles[self.path]

    @property
    def name(self) -> str:
        words = self.ask("org.freedesktop.DBus.Properties", "Get", "ss", "org.a11y.atspi.Accessible", "Name")
        return words[0][1].replace("&", "") if words else ""

    def has(self, state: int) -> bool:
        words = self.ask("org.a11y.atspi.Accessible", "GetState")
        return bool(words) and bool(words[0][state // 32] >> state % 32 & 1)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom on the screen."""
        found = self.ask("org.a11y.atspi.Component", "GetExtents", "u", 0)
        x, y, width, height = found[0] if found else (0, 0, 0, 0)
        return x, y, x + width, y + height

    @property
    def middle(self) -> tuple[int, int]:
        left, top, right, bottom = self.box
        return (left + right) // 2, (top + bottom) // 2

    def share(self) -> float:
        """Where its value is between its lowest and its highest."""
        low, high, now = (
            self.ask("org.freedesktop.DBus.Properties", "Get", "ss", "org.a11y.atspi.Value", name)[0][1]
            for name in ("MinimumValue", "MaximumValue", "CurrentValue")
        )
        return (now - low) / (high - low)

    def find(self, fits: Callable[[Widget], bool]) -> Iterator[Widget]:
        """This one and those in it, as far as they are visible and fit."""
        if not self.has(SHOWING):
            return
        if fits(self) and self.box[2] > 0:  # panels behind others are left of the screen
            yield self
        for child in () if self.role in LEAVES else self.children():
            yield from child.find(fits)

    def frame(self) -> tuple[int, int, int, int]:
        """The part of the screen that its ancestors leave to it, without those that are themselves out of sight in a panel."""
        above, boxes = self.parent, [self.parent.box]
        while above.parent is not None and above.role != POPUP_MENU:  # which lies over everything
            above = above.parent
            boxes.append(above.box)
        seen = (-(1 << 30), -(1 << 30), 1 << 30, 1 << 30)
        for box in reversed(boxes):
            if box[2] > box[0] and box[3] > box[1]:
                left, top = max(seen[0], box[0]), max(seen[1], box[1])
                right, bottom = min(seen[2], box[2]), min(seen[3], box[3])
                if left >= right or top >= bottom:
                    break
                seen = left, top, right, bottom
        return seen


def named(role: int, name: str) -> Callable[[Widget], bool]:
    """Whether a widget has a role and a name."""
    return lambda widget: widget.role == role and widget.name == name


def _call(connection: DBusConnection, at: DBusAddress, method: str, signature: str | None = None, arguments=()):
    reply = connection.send_and_get_reply(new_method_call(at, method, signature, arguments), timeout=SECONDS)
    if reply.header.message_type == MessageType.error:
        raise DBusErrorResponse(reply)
    return reply.body
