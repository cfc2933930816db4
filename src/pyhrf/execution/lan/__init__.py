"""The engine ``LAN``: the hosts of the lab, over ssh."""
