// Allocation counts, finalizers and the fiber-based CUDA stand-in all want one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
