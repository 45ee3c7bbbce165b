"""Other programs that store and update folders, each behind one small adapter that says how it is called.

Every peer runs with the settings that suit it to this work (content-defined chunks of about 64 KiB where it has the
choice, its own zstd) and in folders of its own: no configuration, cache or lock of the user is read or left behind.
"""
