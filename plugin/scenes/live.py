"""Lets ParaView's window ask our readers whether things have come to rest, where asking costs nothing.

The hint LiveSource makes the window ask 20 times a second. A server elsewhere would be asked over the network forever, so
the XML, which servers load too, has no such hint: a session whose data is in the process of the window itself gets it here.
"""

from __future__ import annotations

READERS = (("sources", "HyperINRSource"), ("sources", "HyperINRPlaneSource"), ("filters", "HyperINRCinematic"))

#: Milliseconds between two questions; `filters/moving.py` counts them.
INTERVAL = 50


def ask_when_at_rest() -> None:
    """Add the hint to the readers of this process's own session; nothing in a server, which has no session.

    `xml/HyperINR.xml` runs this in the process that makes a reader, before the window looks at the reader's hints.
    """
    from paraview.modules.vtkRemotingServerManager import vtkSMProxyManager

    session = vtkSMProxyManager.GetProxyManager().GetActiveSession() if vtkSMProxyManager.IsInitialized() else None
    if session is None or session.GetClassName() != "vtkSMSession":
        return
    proxies = session.GetSessionProxyManager()
    if proxies is None:  # from ParaView 5.13 on, in all processes of pvbatch but the first
        return
    for group, reader in READERS:
        hints = proxies.GetProxyHints(group, reader)
        if hints.FindNestedElementByName("LiveSource") is None:
            live = type(hints)()
            live.SetName("LiveSource")
            live.AddAttribute("interval", str(INTERVAL))
            hints.AddNestedElement(live)
