"""What this machine has and lacks for the figures. It only looks: nothing is written, started or asked of a network."""
