// The sandbox's init, a program of its own, as bytes inside this one.
asm(R"(
  .section .rodata
  .balign 16
  .global godwit_init_begin
  .global godwit_init_end
godwit_init_begin:
  .incbin ")" GODWIT_INIT_PROGRAM R"("
godwit_init_end:
  .byte 0
  .section .text
)");
