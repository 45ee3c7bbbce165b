"""The table of peers, in the order in which the tables name them."""

from benchmarks.peers import borg, casync, hf_xet, restic, zchunk

PEERS = (casync.PEER, restic.PEER, borg.PEER, hf_xet.PEER, zchunk.PEER)
