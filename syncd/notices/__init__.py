"""What is told outside: notices for people, each run's report for programs. It renders and sends what stands in the store, and decides
nothing about rosters."""
