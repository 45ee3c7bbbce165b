"""Who says what a build is: a repository of The Update Framework for each game, written with keys, read with doubt.

Through python-tuf. What a build or a channel says is the business of `manifest.documents`; what is done with a verified
build is the business of whoever asked. `docs/security.md` says what all this is for, `docs/format.md` what is stored.

Where to read first, from the outside in:

- what both sides speak of: `roles`, then `pins` and `voucher` (how trust begins), `bundle`, `refusals`; `forms` and
  `guard` say what metadata must be like before a signature counts, `state` and `overview` what it says once it does
- reading: `reading` answers players and publishers; `contact` makes the first contact, `folder` and `seen` keep what
  came of it; `visiting` has `walk` (python-tuf's updater) verify what `fetcher` brings; `inspection` finds the file at
  fault when it does not
- writing: `writing` knows the order in which a change goes live, `draft` what it will say, `signatory` who signs it
  here, `partials` how others sign it elsewhere; `creation`, `rotation`, `renewal` and `vouching` are the changes
- keys: `keyring` keeps them, `keyfile` and `sealing` know their form, `signers` sign, `backup` saves; `keyplan` says
  how many a game gets

Reading knows nothing of writing and of keys. Python-tuf, which takes 60 ms to import, stays with `visiting` and what it
drives, with writing and with `signers`: a player with nothing new does not wait for it.
"""
