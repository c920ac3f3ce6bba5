// Measurements and the processes of the replay tests want the machine to themselves.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
