using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Optim.Tests.Support;

/// <summary>Memory between two pages that nobody may touch. Once it is freed nobody may touch it either, and its addresses are not
/// used again: whoever does ends the process.</summary>
internal sealed unsafe partial class GuardedMemory : SafeHandle
{
    private const int None = 0;
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;

    private static readonly nint s_page = Environment.SystemPageSize;

    private readonly nint _pages;

    /// <summary>Memory of zeros.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="atEnd">It ends where the second guard begins; otherwise it begins where the first one ends.</param>
    public GuardedMemory(long bytes, bool atEnd)
        : base(0, ownsHandle: true)
    {
        _pages = ((nint)bytes + s_page - 1) / s_page * s_page;
        var mapping = Map(0, (nuint)(_pages + (2 * s_page)), None, PrivateAnonymous, -1, 0);
        Assert.NotEqual(-1, mapping);
        SetHandle(mapping);
        Protect(ReadWrite);
        Pointer = mapping + s_page + (atEnd ? _pages - (nint)bytes : 0);
    }

    public nint Pointer { get; }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        Unsafe.InitBlock((void*)(handle + s_page), 0xff, (uint)_pages); // a NaN of every type
        Protect(None);
        return true;
    }

    private void Protect(int access)
    {
        if (_pages > 0 && Protect(handle + s_page, (nuint)_pages, access) != 0)
        {
            throw new InvalidOperationException("mprotect failed.");
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int access, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int access);
}
