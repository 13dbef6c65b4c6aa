"""How fast this machine is: attacks against stock TextAttack and the bare forward pass."""
