"""What can be watched: logs now. They render what the steps report and decide nothing."""
