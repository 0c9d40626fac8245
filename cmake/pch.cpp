// One unit to hang the precompiled headers on.
