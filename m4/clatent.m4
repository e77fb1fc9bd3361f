# SPDX-License-Identifier: MIT
# The few macros of clatent's configure script.

# CLATENT_TRY_CFLAG(VARIABLE, FLAG): appends FLAG to VARIABLE if the compiler takes it.
AC_DEFUN([CLATENT_TRY_CFLAG], [
  clatent_saved_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $2"
  AC_MSG_CHECKING([whether $CC accepts $2])
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
  CFLAGS=$clatent_saved_CFLAGS
])

# C11 (gnu11 for mmap, O_NOFOLLOW and the like through _GNU_SOURCE) whatever the compiler's default.
AC_DEFUN([CLATENT_C11], [
  CLATENT_CFLAGS=
  CLATENT_TRY_CFLAG([CLATENT_CFLAGS], [-std=gnu11])
  CLATENT_TRY_CFLAG([CLATENT_CFLAGS], [-fvisibility=hidden])
  # Numbers on the host follow the reference step by step: no fused multiply-add unless written.
  CLATENT_TRY_CFLAG([CLATENT_CFLAGS], [-ffp-contract=off])
  AC_SUBST([CLATENT_CFLAGS])
])

# What is built says nothing of the folder it was built in: paths in it start at the top of the tree.
AC_DEFUN([CLATENT_PREFIX_MAP], [
  PREFIX_MAP_CFLAGS=
  CLATENT_TRY_CFLAG([PREFIX_MAP_CFLAGS], [-ffile-prefix-map=/nowhere=.])
  AS_IF([test -n "$PREFIX_MAP_CFLAGS"],
    [PREFIX_MAP_CFLAGS='-ffile-prefix-map=$(abs_top_srcdir)=. -ffile-prefix-map=$(top_srcdir)=. -ffile-prefix-map=$(abs_top_builddir)=.'])
  AC_SUBST([PREFIX_MAP_CFLAGS])
])

AC_DEFUN([CLATENT_WARNINGS], [
  WARNING_CFLAGS=
  m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes],
    [CLATENT_TRY_CFLAG([WARNING_CFLAGS], flag)])
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [treat warnings as errors])],
    [AS_IF([test "x$enableval" = xyes], [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])])
  AC_SUBST([WARNING_CFLAGS])
])

# Only symbols that begin with clat_ leave the library.
AC_DEFUN([CLATENT_VERSION_SCRIPT], [
  AC_MSG_CHECKING([whether the linker takes a version script])
  clatent_saved_LDFLAGS=$LDFLAGS
  LDFLAGS="$LDFLAGS -Wl,--version-script=$srcdir/src/libclatent.map"
  AC_LINK_IFELSE([AC_LANG_PROGRAM()],
    [AC_MSG_RESULT([yes]); clatent_version_script=yes],
    [AC_MSG_RESULT([no]); clatent_version_script=no])
  LDFLAGS=$clatent_saved_LDFLAGS
  AM_CONDITIONAL([VERSION_SCRIPT], [test $clatent_version_script = yes])
])

# --enable-sanitizers: address and undefined behaviour, for the host code and its tests.
AC_DEFUN([CLATENT_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers], [build with address and undefined-behaviour sanitizers])])
  SANITIZER_CFLAGS=
  AS_IF([test "x$enable_sanitizers" = xyes],
    [SANITIZER_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"])
  AC_SUBST([SANITIZER_CFLAGS])
  AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" = xyes])
])

# CLBlast is one of the engines for matrix products; --without-clblast leaves it out.
AC_DEFUN([CLATENT_CLBLAST], [
  AC_ARG_WITH([clblast], [AS_HELP_STRING([--without-clblast], [build without the CLBlast engine])],
    [], [with_clblast=yes])
  CLBLAST_LIBS=
  AS_IF([test "x$with_clblast" != xno],
    [AC_CHECK_HEADER([clblast_c.h], [], [AC_MSG_ERROR([clblast_c.h not found (--without-clblast builds without it)])])
     AC_CHECK_LIB([clblast], [CLBlastSgemm], [CLBLAST_LIBS=-lclblast],
       [AC_MSG_ERROR([libclblast not found (--without-clblast builds without it)])], [$OPENCL_LIBS])
     AC_DEFINE([HAVE_CLBLAST], [1], [CLBlast is one of the engines for matrix products])])
  AC_SUBST([CLBLAST_LIBS])
])

# CLATENT_COMPLETION(SHELL, DEFAULT): --with-SHELL-completion-dir=DIR|no.
AC_DEFUN([CLATENT_COMPLETION], [
  AC_ARG_WITH([$1-completion-dir],
    [AS_HELP_STRING([--with-$1-completion-dir=DIR], [where $1 looks for completions, or no @<:@$2@:>@])],
    [], [with_$1_completion_dir=yes])
  AS_IF([test "x$with_$1_completion_dir" = xyes], [with_$1_completion_dir='$2'])
  AC_SUBST([$1completiondir], [$with_$1_completion_dir])
  AM_CONDITIONAL(m4_toupper([$1])[_COMPLETION], [test "x$with_$1_completion_dir" != xno])
])
