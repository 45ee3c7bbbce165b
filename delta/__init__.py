"""What differs between two manifests, what an update costs and which steps make it.

Pure: reads manifests and inventories that are already in memory, returns values, touches neither disk nor network.
"""
