"""Virtual-time network of real cores, adversaries, experiments and evaluation."""
