# From where GRUB leaves a processor (Multiboot: 32 bits, no pages) to 64 bits, with vectors, masks and tiles switched on; then main.
.section .multiboot, "a"
.align 8
.long 0x1BADB002, 3, -(0x1BADB002 + 3)

.section .text
.code32
.globl _start
_start:
    cli
    mov $stack_top, %esp
    mov $directory, %edi             # 4 GiB as they lie, by pages of 2 MiB
    mov $0x83, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov $pointers, %edi
    mov $directory + 3, %eax
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 2b
    movl $pointers + 3, level4
    mov %cr4, %eax
    or $0x40620, %eax                # PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
    mov %eax, %cr4
    mov $level4, %eax
    mov %eax, %cr3
    mov $0xC0000080, %ecx            # EFER: long mode
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    and $~4, %eax                    # no emulation of floating point
    or $0x80000002, %eax             # pages; MP
    mov %eax, %cr0
    lgdt descriptors_at
    ljmp $8, $go

.code64
go: mov $16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    xor %ecx, %ecx
    xgetbv
    or $0x600e7, %eax                # SSE, AVX, AVX-512, tiles
    xsetbv
    mov $stack_top, %rsp
    call main
3:  hlt
    jmp 3b

.align 8
descriptors: .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
descriptors_at:
    .word 23
    .long descriptors

.section .bss
.align 4096
level4: .skip 4096
pointers: .skip 4096
directory: .skip 16384
.skip 4194304
stack_top:

.section .note.GNU-stack, "", @progbits
