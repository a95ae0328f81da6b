"""`parley models`: fetches the files of models, says which are here, and checks them.

    names       PURE: what a model is called, where the hub has it, which of its files are needed
    hub         what the hub says of a repository
    fetch       one file, taken up again where it broke off, and checked as it comes
    store       where files lie on this machine, and the record of what they should be
    checks      files on this machine against that record
    settings    which settings use a model
    plans       what is to be fetched of a model, and the fetching of it
    provision   all models of a profile at once, after asking
    machine     what this machine has to compute with
    sets        PURE: the models that this machine carries
    commands    pull, list, verify

Engines find what was fetched without asking anybody: hub models lie in the hub's own cache, voices in their folder.
"""

from __future__ import annotations
